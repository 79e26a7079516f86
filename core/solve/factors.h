/* core/solve/factors.h -- what the solvers need of one site's Gram matrix, computed once.
 *
 * A site is the set of linear layers that share one input; all its layers, all betas near each
 * other and all groupings share these.  Everything is made lazily and kept; the object is used by
 * one thread (the worker).  Gn = (G + ridge I) / lambda_max (methods.md 2.1, 2.2). */
#ifndef PL_SOLVE_FACTORS_H
#define PL_SOLVE_FACTORS_H

#include "core/base/task.h"
#include "core/tensor/lower.h"
#include "core/tensor/sym.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_factors pl_factors;

/* gram: what it points to is borrowed for the object's life.  tokens: rows of X.  label: names the
 * site in error sentences; copied.  PL_ERR_NUMERIC for a non-finite element or a negative one on
 * the diagonal. */
PL_NODISCARD pl_status pl_factors_create(const pl_sym *gram, double tokens, const char *label,
                                         pl_factors **out, pl_error *err);
void pl_factors_destroy(pl_factors *factors);

size_t pl_factors_n(const pl_factors *factors);
double pl_factors_tokens(const pl_factors *factors);
const char *pl_factors_label(const pl_factors *factors);

/* The Gram matrix as given. */
const pl_sym *pl_factors_gram(const pl_factors *factors);

/* Solvers hold the factors while they use pointers out of them: a tick may run another solve on
 * the same site, which must not evict what the first one works with.  Calls nest. */
void pl_factors_hold(pl_factors *factors);
void pl_factors_release(pl_factors *factors);

/* Bytes held now, for a cache's account. */
size_t pl_factors_bytes(const pl_factors *factors);

/* Lets go of what was made, what certifies first and then the least recently used, until at most
 * `bytes` are held; does nothing while the factors are held. */
void pl_factors_shrink(pl_factors *factors, size_t bytes);

/* Lean factors hold one matrix of their own at a time where more would only save time: of a wide
 * site in a batch, every one is hundreds of megabytes.  Off at first; not while two solvers hold
 * them. */
void pl_factors_set_lean(pl_factors *factors, bool lean);
bool pl_factors_are_lean(const pl_factors *factors);

/* Lets go of every matrix that was made: for the one holder of lean factors, who keeps no pointer
 * of theirs.  Does nothing where there is another. */
void pl_factors_drop(pl_factors *factors);

/* Gn[n, n] float32 (ridge included) and its lambda_max in G's units; ridge is delta in Gn's units,
 * 0 when none was needed (1e-6 mean(diag Gn) where T < n, a channel is dead or the Cholesky fails;
 * tenfold more, up to 1e-2, where float32 rounding of G has left it indefinite by more than that).
 * PL_ERR_NUMERIC where G is zero or no such ridge helps. */
typedef struct pl_normalized {
    const float *gn;       /* NULL from pl_factors_scale */
    const float *diagonal; /* [n], Gn's */
    double lambda_max;
    double mean_diag; /* of Gn, before the ridge */
    double ridge;
} pl_normalized;
PL_NODISCARD pl_status pl_factors_normalized(pl_factors *factors, pl_normalized *out, pl_task *task,
                                             pl_error *err);

/* The same without Gn itself, a matrix that few need. */
PL_NODISCARD pl_status pl_factors_scale(pl_factors *factors, pl_normalized *out, pl_task *task,
                                        pl_error *err);

/* Cholesky factor of Gn, for the certificate. */
PL_NODISCARD pl_status pl_factors_cholesky(pl_factors *factors, const pl_lower **l, pl_task *task,
                                           pl_error *err);

/* A = rho (Gn + rho I)^-1, float32 [n, n], rho > 0.  The four most recently used rho are kept: *a
 * lives until four others have been asked for, or while the factors are held. */
PL_NODISCARD pl_status pl_factors_admm(pl_factors *factors, double rho, const float **a,
                                       pl_task *task, pl_error *err);

/* One rho a channel, R = diag(rho_i), and M = R (Gn + R)^-1, float32 [n, n]:
 *     rho_i = h_i + theta shape_i,   h_i = 1 / (Gn^-1)_ii.
 * h_i is what is left of channel i's energy once all other channels have explained what they can:
 * the curvature that weight i meets while the others follow it.  theta >= 0; shape[n] >= 0, copied.
 * The two most recently used are kept, as above. */
typedef struct pl_metric {
    const float *m;
    double rho;          /* the mean of rho_i */
    const float *metric; /* [n], rho_i over that mean, > 0 */
} pl_metric;
PL_NODISCARD pl_status pl_factors_metric(pl_factors *factors, double theta, const float *shape,
                                         pl_metric *out, pl_task *task, pl_error *err);

/* The theta > 0 nearest to this one (by ratio) whose M with this shape is made already; 0 if there
 * is none. */
double pl_factors_metric_near(const pl_factors *factors, double theta, const float *shape);

/* GPTQ's factor for H = 2G: U upper triangular float32 [n, n] with H^-1 = U^T U, computed in
 * float64 (one Cholesky: J H J = L L^T, U = J L^-1 J).  Dead columns (H_ii = 0) have H_ii = 1.
 * order: of the columns, as pl_factors_order has it.  Starts with `damping` (times mean diag H,
 * dead columns at their 1 counted) and raises it tenfold up to 1.0 on failure (0 goes on with
 * 0.01); `used` is what worked.  The error names the label, the column and every damping
 * tried.  The three most recently used are kept, all while the factors are held. */
typedef struct pl_gptq_factor {
    const float *u;   /* [n, n], in the order of the columns */
    const bool *dead; /* [n], in the original order */
    double used;
} pl_gptq_factor;
PL_NODISCARD pl_status pl_factors_gptq(pl_factors *factors, double damping, size_t order,
                                       pl_gptq_factor *out, pl_task *task, pl_error *err);

/* The order in which columns are rounded.  PL_ORDER_FALLING: by falling diag H (dead ones at their
 * 1), ties by lower index.  g > 1: groups of g adjacent columns stay together, those with the
 * largest diag H first, and are sorted so inside; columns behind the last whole group stay last
 * (Gafni et al., arXiv 2505.14638).  *perm: [n], position -> column, for the object's life; NULL
 * for PL_ORDER_NONE. */
enum { PL_ORDER_NONE = 0, PL_ORDER_FALLING = 1 };
PL_NODISCARD pl_status pl_factors_order(pl_factors *factors, size_t order, const size_t **perm,
                                        pl_error *err);

/* D = (X0 - X)^T X / T, [n, n]: X0 are the original model's inputs where the Gram matrix is of X,
 * those of a quantized one.  Takes `cross` over; PL_ERR_NUMERIC for an element that is not finite,
 * after which it is freed.  Once. */
PL_NODISCARD pl_status pl_factors_set_cross(pl_factors *factors, float *cross, pl_error *err);
/* NULL where X0 = X, or nobody has set it. */
const float *pl_factors_cross(const pl_factors *factors);

/* GPTAQ's P = triu(2 D U^T, 1) U for the U of the same damping and order (Li et al., arXiv
 * 2504.02692): strictly upper, float32 [n, n], in the order of the columns.  The factors have a
 * cross; the two most recently used are kept, all while they are held. */
PL_NODISCARD pl_status pl_factors_gptaq(pl_factors *factors, double damping, size_t order,
                                        const float **p, pl_task *task, pl_error *err);

/* alpha_k = ||X^(k)||_F / mean, for groups of group_size (0: one group).  out[groups]. */
void pl_factors_alpha(const pl_factors *factors, size_t group_size, float *out);

/* sqrt(trace of G's k-th diagonal block): ||X^(k)||_F / sqrt(T). out[groups]. */
void pl_factors_group_norms(const pl_factors *factors, size_t group_size, double *out);

#endif
