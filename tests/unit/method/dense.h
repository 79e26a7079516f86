/* tests/unit/method/dense.h -- the matrix of a transform. */
#ifndef PL_TESTS_DENSE_H
#define PL_TESTS_DENSE_H

#include "core/method/transform.h"
#include "tests/support/check.h"

/* [n, n]: what it makes of inputs that are the unit rows. */
static inline void dense_of(const pl_transform *t, size_t n, float *dense)
{
    pl_error err;
    memset(dense, 0, n * n * sizeof *dense);
    for (size_t i = 0; i < n; i++) {
        dense[i * n + i] = 1.0f;
    }
    pl_check_ok(pl_transform_inputs(t, dense, n, NULL, &err), err);
}

#endif
