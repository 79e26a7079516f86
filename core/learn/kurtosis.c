#include "core/learn/kurtosis.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>

enum { PIECE = 256 };

/* y[n] <- the gradient of its kurtosis, which is returned; 0 for a row of zeros. */
static double turn_row(float *y, size_t n)
{
    double square = 0.0, fourth = 0.0;
    for (size_t c = 0; c < n; c++) {
        const double v = (double)y[c] * (double)y[c];
        square += v;
        fourth += v * v;
    }
    if (!(square > 0.0)) {
        return 0.0;
    }
    const double share = (double)n / (square * square);
    for (size_t c = 0; c < n; c++) {
        const double v = (double)y[c];
        y[c] = (float)(4.0 * share * v * v * v);
    }
    return share * fourth;
}

pl_status pl_kurtosis_add(const float *x, size_t rows, size_t n, const float *r, size_t order,
                          double *sum, float *g, pl_task *task, pl_error *err)
{
    float *y = pl_alloc(PIECE * n, sizeof *y);
    if (y == NULL) {
        return pl_error_memory(err, "the kurtosis of %zu rows", rows);
    }
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < rows; first += PIECE) {
        const size_t count = rows - first < PIECE ? rows - first : PIECE;
        const size_t parts = count * (n / order);
        pl_gemm_nn(parts, order, order, 1.0f, x + first * n, order, r, order, 0.0f, y, order);
        for (size_t i = 0; i < count; i++) {
            *sum += turn_row(y + i * n, n);
        }
        pl_gemm_tn(order, order, parts, x + first * n, order, y, order, 1.0f, g, order);
        status = pl_task_tick(task, err);
    }
    free(y);
    return status;
}
