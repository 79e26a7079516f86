/* core/tensor/lower.h -- float64 lower triangular matrices, in half the room of a square.
 *
 * Rows lie in panels; a panel's rows end where its diagonal block does.  Up to PL_LOWER_WHOLE rows
 * are one panel, which is a square.  All work is matrix products, with a tick before each panel.
 * Results depend on n and the thread count, never on timing. */
#ifndef PL_TENSOR_LOWER_H
#define PL_TENSOR_LOWER_H

#include "core/base/task.h"

#include <stdbool.h>
#include <stddef.h>

enum { PL_LOWER_WHOLE = 2048, PL_LOWER_PANEL = 512 };

typedef struct pl_lower pl_lower;

/* Not cleared.  Caller owns it; NULL when memory is out. */
pl_lower *pl_lower_create(size_t n);
void pl_lower_destroy(pl_lower *lower);

size_t pl_lower_bytes(const pl_lower *lower);

/* Row i: columns 0 to i may be read and written. */
double *pl_lower_row(pl_lower *lower, size_t i);

/* In place: the lower triangle of A becomes L, A = L L^T.  *positive is false if the matrix is not
 * positive definite; *column is then the 0-based column whose pivot failed. */
PL_NODISCARD pl_status pl_lower_cholesky(pl_lower *lower, bool *positive, size_t *column,
                                         pl_task *task, pl_error *err);

/* As pl_solve_lower and pl_mul_lower of linalg.h: L y = b for the rows of b[count, n], and
 * b := b L.  May be called inside an OpenMP region. */
void pl_lower_solve(const pl_lower *lower, double *b, size_t count);
void pl_lower_mul(const pl_lower *lower, double *b, size_t count);

/* In place: L becomes L^-1. */
PL_NODISCARD pl_status pl_lower_invert(pl_lower *lower, pl_task *task, pl_error *err);

/* Both in one: A = L L^T becomes L^-1, in half the time where there is one panel.  Errors as in
 * pl_lower_cholesky; where A is not positive definite, *lower then holds nothing of use. */
PL_NODISCARD pl_status pl_lower_cholesky_invert(pl_lower *lower, bool *positive, size_t *column,
                                                pl_task *task, pl_error *err);

/* out[n, n] = scale (L L^T)^-1 in float32, both triangles.  Frees `lower` on the way, also on
 * failure. */
PL_NODISCARD pl_status pl_lower_inverse(pl_lower *lower, double scale, float *out, pl_task *task,
                                        pl_error *err);

/* out[n, n] = J L J in float32, J reversing the order: upper triangular.  Frees `lower`. */
void pl_lower_reverse(pl_lower *lower, float *out);

#endif
