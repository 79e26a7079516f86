/* core/learn/factor.h -- a learned invertible matrix P = U diag(d) V^T (FlatQuant,
 * arXiv 2410.09426, section 3.1), and the gradient of its parameters.
 *
 * U and V are the Cayley transforms Q = (I - A/2)^-1 (I + A/2) of skew-symmetric A = L - L^T, so
 * that they stay orthogonal whatever the step, and P^-T = U diag(1/d) V^T costs no inversion of P.
 * All in float64.  Parameters of one factor, in this order: L of U and L of V, each its strict
 * lower triangle by rows, then d[n]. */
#ifndef PL_LEARN_FACTOR_H
#define PL_LEARN_FACTOR_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_factor {
    size_t n;
    double *u, *v;             /* [n, n] */
    double *u_solve, *v_solve; /* [n, n], (I - A/2)^-1 of each */
    double *p, *inverse_t;     /* [n, n], P and P^-T */
    double condition;          /* max |d| / min |d| */
    double *work;              /* [5, n, n] */
} pl_factor;

PL_NODISCARD pl_status pl_factor_init(pl_factor *f, size_t n, pl_error *err);
void pl_factor_deinit(pl_factor *f);

size_t pl_factor_params(size_t n); /* n^2 */

/* The start: L from a random orthogonal matrix of `seed` for U and another one for V, d = 1. */
PL_NODISCARD pl_status pl_factor_start(size_t n, uint64_t seed, double *params, pl_error *err);

/* Everything of the factor from its parameters.  PL_ERR_NUMERIC, with a sentence that begins with
 * `name`, where one is not finite or P is singular: |d| < 1e-4, or condition > 1e5. */
PL_NODISCARD pl_status pl_factor_make(pl_factor *f, const double *params, const char *name,
                                      pl_error *err);

/* gradient[n^2] = dL/dparams from dL/dP and dL/dP^-T, of the factor as it was made last. */
void pl_factor_gradient(pl_factor *f, const double *params, const double *p_grad,
                        const double *inverse_t_grad, double *gradient);

/* to[count] in float32: what meets weights and inputs. */
void pl_to_float(const double *from, size_t count, float *to);

#endif
