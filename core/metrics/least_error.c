#include "core/metrics/least_error.h"

#include "core/base/checked.h"
#include "core/metrics/recon.h"
#include "core/solve/diagonal_below.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 64 }; /* between ticks: a few milliseconds */

/* A code that a tie in float32 gives is not the nearest by this share of the distance. */
static const double SAFE = 1.0 - 1e-5;

/* The squared distance of a weight to the nearest value of its scale. */
static double distance2(const pl_qweights *q, pl_view w, size_t row, size_t column)
{
    const size_t at = row * q->groups + q->group_of[column];
    const pl_grid_param param = {q->scales[at], q->zeros[at]};
    const float x = w.data[row * w.stride + column];
    const float nearest = pl_grid_value(&q->grid, param, pl_grid_code(&q->grid, param, x));
    const double d = (double)x - (double)nearest;
    return d * d;
}

pl_status pl_least_rounded(pl_factors *factors, pl_view w, const pl_qweights *q, double *least,
                           pl_task *task, pl_error *err)
{
    const size_t n = w.cols;
    double *gain = pl_alloc(n, sizeof *gain), *d = pl_alloc(n, sizeof *d);
    const bool small = n <= PL_DIAGONAL_MOST;
    pl_status status = gain != NULL && d != NULL
                           ? PL_OK
                           : pl_error_memory(err, "a bound of %s", pl_factors_label(factors));
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        gain[i] = 0.0;
    }
    /* Row by row, as memory has them. */
    for (size_t r = 0; status == PL_OK && small && r < w.rows; r++) {
        for (size_t i = 0; i < n; i++) {
            gain[i] += distance2(q, w, r, i);
        }
        status = r % ROWS == 0 ? pl_task_tick(task, err) : PL_OK;
    }
    if (status == PL_OK && small) {
        status = pl_diagonal_below(pl_factors_gram(factors), gain, d, task, err);
    }
    for (size_t r = 0; status == PL_OK && r < w.rows; r++) {
        least[r] = small ? 0.0 : (double)NAN;
        for (size_t i = 0; small && i < n; i++) {
            least[r] += SAFE * d[i] * distance2(q, w, r, i);
        }
        status = r % ROWS == 0 ? pl_task_tick(task, err) : PL_OK;
    }
    free(gain);
    free(d);
    return status;
}

pl_status pl_least_rounded_error(pl_factors *factors, pl_view w, const pl_qweights *q, double *out,
                                 pl_task *task, pl_error *err)
{
    double *least = pl_alloc(2 * w.rows, sizeof *least), lost = 0.0, whole = 0.0;
    *out = NAN;
    pl_status status =
        least != NULL ? PL_OK : pl_error_memory(err, "a bound of %s", pl_factors_label(factors));
    PL_THEN(pl_least_rounded(factors, w, q, least, task, err));
    PL_THEN(pl_row_energies(factors, (pl_view){0}, w, least + w.rows, task, err));
    for (size_t r = 0; status == PL_OK && r < w.rows; r++) {
        lost += least[r];
        whole += least[w.rows + r];
    }
    if (status == PL_OK) {
        *out = whole > 0.0 ? lost / whole : 0.0;
    }
    free(least);
    return status;
}
