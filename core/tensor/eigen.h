/* core/tensor/eigen.h -- all eigenvalues, and a few eigenvectors, of a symmetric matrix.
 *
 * In pieces with a tick between them, so that an urgent job never waits for a whole decomposition:
 * a piece is one column of the reduction to tridiagonal form, about 10 ms at width 4096. */
#ifndef PL_TENSOR_EIGEN_H
#define PL_TENSOR_EIGEN_H

#include "core/base/task.h"
#include "core/tensor/sym.h"

#include <stddef.h>

typedef struct pl_eigen {
    size_t n;
    double *values; /* [n] falling; good to about n * 1e-16 of the largest magnitude */
    size_t top, tail;
    double *vectors; /* [top + tail, n], unit rows: of the first `top` and the last `tail` values,
                        in the order of values; each one's largest element is positive */
} pl_eigen;

/* g: finite.  top + tail <= n.  Float64 arithmetic, 8 n^2 bytes of
 * work space; progress in "columns".  Householder reduction in panels (LAPACK's dlatrd, cut by
 * columns), bisection by Sturm counts, inverse iteration (LAPACK's dstein).  Caller deinits out;
 * empty on failure.  PL_ERR_NUMERIC for a value that is not finite. */
PL_NODISCARD pl_status pl_eigen_symmetric(const pl_sym *g, size_t top, size_t tail, pl_eigen *out,
                                          pl_task *task, pl_error *err);
void pl_eigen_deinit(pl_eigen *eigen);

#endif
