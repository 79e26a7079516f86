#include "core/metrics/followed.h"

#include "core/base/checked.h"
#include "core/metrics/recon.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 128 };

/* *out: tr(D G D^T), D = w - w0, or w where w0.data is NULL. */
static pl_status energy(pl_factors *factors, pl_view w0, pl_view w, double *out, pl_task *task,
                        pl_error *err)
{
    double *rows = pl_alloc(w.rows, sizeof *rows);
    if (rows == NULL) {
        return pl_error_memory(err, "the errors of %zu rows", w.rows);
    }
    pl_status status = pl_row_energies(factors, w0, w, rows, task, err);
    *out = 0.0;
    for (size_t r = 0; status == PL_OK && r < w.rows; r++) {
        *out += rows[r];
    }
    free(rows);
    return status;
}

/* *out: tr(W0 D W^T). */
static pl_status cross_energy(pl_factors *factors, pl_view w0, pl_view w, double *out,
                              pl_task *task, pl_error *err)
{
    const size_t n = pl_factors_n(factors);
    float *product = pl_alloc(TILE * n, sizeof *product);
    pl_status status = product != NULL ? PL_OK : pl_error_memory(err, "%d rows of %zu", TILE, n);
    *out = 0.0;
    for (size_t first = 0; status == PL_OK && first < w.rows; first += TILE) {
        const size_t count = w.rows - first < TILE ? w.rows - first : TILE;
        pl_gemm_nn(count, n, n, 1.0f, w0.data + first * w0.stride, w0.stride,
                   pl_factors_cross(factors), n, 0.0f, product, n);
        for (size_t r = 0; r < count; r++) {
            const float *row = w.data + (first + r) * w.stride;
            for (size_t i = 0; i < n; i++) {
                *out += (double)product[r * n + i] * (double)row[i];
            }
        }
        status = pl_task_tick(task, err);
    }
    free(product);
    return status;
}

pl_status pl_original_output_error(pl_factors *factors, pl_factors *original, pl_view w0, pl_view w,
                                   double *out, pl_task *task, pl_error *err)
{
    const pl_view none = {0};
    double whole = 0.0, present = 0.0, lost = 0.0, crossed = 0.0;
    *out = NAN;
    pl_status status = energy(original, none, w0, &whole, task, err);
    PL_THEN(energy(factors, none, w0, &present, task, err));
    PL_THEN(energy(factors, w0, w, &lost, task, err));
    PL_THEN(cross_energy(factors, w0, w, &crossed, task, err));
    if (status == PL_OK) {
        const double error = fmax(whole - present - 2.0 * crossed + lost, 0.0);
        *out = whole > 0.0 ? error / whole : 0.0;
    }
    return status;
}
