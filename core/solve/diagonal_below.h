/* core/solve/diagonal_below.h -- the largest diagonal matrix below a Gram matrix, by which rounding
 * is bounded from below (methods.md 1.1). */
#ifndef PL_SOLVE_DIAGONAL_BELOW_H
#define PL_SOLVE_DIAGONAL_BELOW_H

#include "core/base/task.h"
#include "core/tensor/sym.h"

/* The most channels it takes: each of its some 30 calls of LAPACK on float64 squares runs without a
 * tick, about 0.1 s at this size and eight times as long at twice the size. */
enum { PL_DIAGONAL_MOST = 2048 };

/* d[n] >= 0 with G - diag(d) positive semidefinite, proved by a Cholesky factorization with a
 * margin for its rounding, and sum gain_i d_i near its maximum; zeros where G is singular. gain[n]
 * >= 0.  A barrier method: max sum gain_i d_i + mu log det(G - diag(d)) + mu sum log d_i for
 * falling mu, by Newton's steps.  Ticks between factorizations.  n <= PL_DIAGONAL_MOST. */
PL_NODISCARD pl_status pl_diagonal_below(const pl_sym *gram, const double *gain, double *d,
                                         pl_task *task, pl_error *err);

#endif
