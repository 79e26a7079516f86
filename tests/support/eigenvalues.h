/* tests/support/eigenvalues.h -- LAPACK's eigenvalues, which ours are compared with. */
#ifndef PL_TESTS_EIGENVALUES_H
#define PL_TESTS_EIGENVALUES_H

#include "core/base/error.h"

#include <lapacke.h>

/* Eigenvalues of the symmetric a[n,n] (float64, destroyed), ascending, to values[n]. */
static inline pl_status lapack_eigenvalues(double *a, size_t n, double *values, pl_error *err)
{
    if (n == 0) {
        return PL_OK;
    }
    int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'U', (int)n, a, (int)n, values);
    if (info != 0) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "the eigenvalues of a %zu x %zu matrix were not found (LAPACK dsyevd: "
                            "%d%s)",
                            n, n, info, info < 0 ? ", a value is not finite" : "");
    }
    return PL_OK;
}

#endif
