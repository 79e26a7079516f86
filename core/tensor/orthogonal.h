/* core/tensor/orthogonal.h -- random orthogonal matrices. */
#ifndef PL_TENSOR_ORTHOGONAL_H
#define PL_TENSOR_ORTHOGONAL_H

#include "core/base/task.h"

#include <stddef.h>
#include <stdint.h>

/* q[n, n], row-major: the Q of the QR factorization, in float64, of a Gaussian matrix from `seed`,
 * its columns signed so that R's diagonal is positive: uniform over the orthogonal group (Mezzadri,
 * Notices of the AMS 54, 2007). */
PL_NODISCARD pl_status pl_orthogonal_random(size_t n, uint64_t seed, float *q, pl_task *task,
                                            pl_error *err);

#endif
