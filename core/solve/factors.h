/* core/solve/factors.h -- what the solvers need of one site's Gram matrix, computed once.
 *
 * A site is the set of linear layers that share one input; its layers share these, whatever their
 * groups, and so do neighbouring betas.  Everything is made when first asked for, and kept.  One
 * thread (the worker) uses the object.  Gn = (G + ridge I) / lambda_max (methods.md 2.1, 2.2). */
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

/* Frees matrices until at most `bytes` are left: first those of the certificate, then the least
 * recently used.  Does nothing while the factors are held. */
void pl_factors_shrink(pl_factors *factors, size_t bytes);

/* Lean factors keep one matrix of their own at a time and make others again: at a wide site each
 * takes hundreds of megabytes.  Off at first; no effect while two solvers hold them. */
void pl_factors_set_lean(pl_factors *factors, bool lean);
bool pl_factors_are_lean(const pl_factors *factors);

/* Frees every matrix that was made.  For the only holder of lean factors, which keeps no pointer to
 * any; does nothing where there is another holder. */
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

/* The same without making Gn itself. */
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
 * h_i is the energy of channel i that the other channels do not explain: the curvature that weight
 * i meets when the other weights follow it.  theta >= 0; shape[n] >= 0, copied.  The two most
 * recently used are kept, as for pl_factors_admm. */
typedef struct pl_metric {
    const float *m;
    double rho;          /* the mean of rho_i */
    const float *metric; /* [n], rho_i over that mean, > 0 */
} pl_metric;
PL_NODISCARD pl_status pl_factors_metric(pl_factors *factors, double theta, const float *shape,
                                         pl_metric *out, pl_task *task, pl_error *err);

/* Of the thetas > 0 whose M with this shape is kept, the nearest to this one (by ratio); 0 if there
 * is none. */
double pl_factors_metric_near(const pl_factors *factors, double theta, const float *shape);

/* GPTQ's factor for H = 2G: U upper triangular float32 [n, n] with H^-1 = U^T U, computed in
 * float64 (one Cholesky: J H J = L L^T, U = J L^-1 J).  Dead columns (H_ii = 0) have H_ii = 1.
 * order: as for pl_factors_order.  Starts with `damping` (times mean diag H, where dead columns
 * count as 1) and on failure raises it tenfold, up to 1.0 (after 0 comes 0.01); `used` is the one
 * that worked.  The error names the label, the column and every damping tried.  The three most
 * recently used are kept, all while the factors are held. */
typedef struct pl_gptq_factor {
    const float *u;   /* [n, n], in the order of the columns */
    const bool *dead; /* [n], in the original order */
    double used;
} pl_gptq_factor;
PL_NODISCARD pl_status pl_factors_gptq(pl_factors *factors, double damping, size_t order,
                                       pl_gptq_factor *out, pl_task *task, pl_error *err);

/* The order in which columns are rounded.  PL_ORDER_FALLING: by falling diag H (1 for dead ones),
 * ties by lower index.  g > 1: groups of g adjacent columns stay together, the group with the
 * largest diag H first, and are sorted inside likewise; columns behind the last whole group stay
 * last (Gafni et al., arXiv 2505.14638).  *perm: [n], position -> column, for the object's life;
 * NULL for PL_ORDER_NONE. */
enum { PL_ORDER_NONE = 0, PL_ORDER_FALLING = 1 };
PL_NODISCARD pl_status pl_factors_order(pl_factors *factors, size_t order, const size_t **perm,
                                        pl_error *err);

/* D = (X0 - X)^T X / T, [n, n]: X are a quantized model's inputs, of which the Gram matrix is, X0
 * the original model's.  Takes `cross` over, and frees it on failure: PL_ERR_NUMERIC for an element
 * that is not finite.  To be called once. */
PL_NODISCARD pl_status pl_factors_set_cross(pl_factors *factors, float *cross, pl_error *err);
/* NULL where it was not set (X0 = X). */
const float *pl_factors_cross(const pl_factors *factors);

/* GPTAQ's P = triu(2 D U^T, 1) U for the U of the same damping and order (Li et al., arXiv
 * 2504.02692): strictly upper, float32 [n, n], in the order of the columns.  Needs
 * pl_factors_set_cross.  The two most recently used are kept, all while the factors are held. */
PL_NODISCARD pl_status pl_factors_gptaq(pl_factors *factors, double damping, size_t order,
                                        const float **p, pl_task *task, pl_error *err);

/* alpha_k = ||X^(k)||_F / mean, for groups of group_size (0: one group).  out[groups]. */
void pl_factors_alpha(const pl_factors *factors, size_t group_size, float *out);

/* sqrt(trace of G's k-th diagonal block): ||X^(k)||_F / sqrt(T). out[groups]. */
void pl_factors_group_norms(const pl_factors *factors, size_t group_size, double *out);

#endif
