/* core/learn/kurtosis.h -- how far from flat rows are behind a rotation, and which way it falls:
 * KurTail's objective, which needs no model (arXiv 2503.01483). */
#ifndef PL_LEARN_KURTOSIS_H
#define PL_LEARN_KURTOSIS_H

#include "core/base/task.h"

#include <stddef.h>

/* Adds, over x[rows, n] of n / order parts that R[order, order] turns each, Y = X R:
 * *sum the rows' kurtosis n sum y^4 / (sum y^2)^2 (1.8 is the uniform distribution's, 3 a
 * Gaussian's), and to g[order, order] its gradient, where rotating does not change sum y^2. */
PL_NODISCARD pl_status pl_kurtosis_add(const float *x, size_t rows, size_t n, const float *r,
                                       size_t order, double *sum, float *g, pl_task *task,
                                       pl_error *err);

#endif
