#include "core/learn/stiefel.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5, POLISHES = 2 };

/* The largest sum of a column's absolute values; NaN where one is not finite. */
static double one_norm(const float *a, size_t n, double *sums)
{
    double most = 0.0;
    memset(sums, 0, n * sizeof *sums);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            sums[j] += fabs((double)a[i * n + j]);
        }
    }
    for (size_t j = 0; j < n; j++) {
        if (!isfinite(sums[j])) {
            return (double)NAN;
        }
        most = fmax(most, sums[j]);
    }
    return most;
}

/* W = (G R^T - R G^T) / 2, to w; a: [n, n] of scratch. */
static void skew(size_t n, const float *r, const float *g, float *w, float *a)
{
    pl_gemm_nt(n, n, n, 0.5f, g, n, r, n, 0.0f, a, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            w[i * n + j] = a[i * n + j] - a[j * n + i];
        }
    }
}

/* Newton and Schulz: R <- 3/2 R - 1/2 R R^T R, whose error is the square of R's. */
static void polish(size_t n, float *r, float *a, float *b)
{
    pl_gemm_nt(n, n, n, 1.0f, r, n, r, n, 0.0f, a, n);
    memcpy(b, r, n * n * sizeof *b);
    pl_gemm_nn(n, n, n, -0.5f, a, n, b, n, 1.5f, r, n);
}

pl_status pl_stiefel_step(size_t n, float *r, const float *g, double rate, double share,
                          pl_error *err)
{
    float *w = pl_alloc(4 * n * n, sizeof *w);
    double *sums = pl_alloc(n, sizeof *sums);
    if (w == NULL || sums == NULL) {
        free(w);
        free(sums);
        return pl_error_memory(err, "a step of a rotation of %zu channels", n);
    }
    float *a = w + n * n, *b = a + n * n, *y = b + n * n;
    skew(n, r, g, w, a);
    const double norm = one_norm(w, n, sums);
    pl_status status = PL_OK;
    if (!isfinite(norm)) {
        status = pl_error_set(err, PL_ERR_NUMERIC, "the gradient of a rotation is not finite");
    } else if (norm > 0.0) {
        const float half = (float)(0.5 * share * fmin(rate, 1.0 / norm));
        memcpy(y, r, n * n * sizeof *y);
        for (int round = 0; round <= ROUNDS; round++) {
            for (size_t i = 0; i < n * n; i++) {
                a[i] = r[i] + y[i];
            }
            memcpy(y, r, n * n * sizeof *y);
            pl_gemm_nn(n, n, n, -half, w, n, a, n, 1.0f, y, n);
        }
        memcpy(r, y, n * n * sizeof *r);
        for (int i = 0; i < POLISHES; i++) {
            polish(n, r, a, b);
        }
    }
    free(w);
    free(sums);
    return status;
}
