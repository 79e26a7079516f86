#include "core/format/grid.h"

#include <math.h>

enum { PIECE = 128, STEPS = 80 };

/* sum weights (w - w^)^2. */
static double weighted_error(const pl_grid *grid, pl_grid_param param, const float *w,
                             const float *weights, size_t count)
{
    float scales[PIECE], zeros[PIECE], lost[PIECE];
    int16_t codes[PIECE];
    double sum = 0.0;
    for (size_t i = 0; i < PIECE; i++) {
        scales[i] = param.scale;
        zeros[i] = (float)param.zero;
    }
    for (size_t first = 0; first < count; first += PIECE) {
        const size_t size = count - first < PIECE ? count - first : PIECE;
        pl_grid_column(grid, scales, zeros, w + first, size, codes, lost);
        for (size_t i = 0; i < size; i++) {
            sum += (double)weights[first + i] * (double)lost[i] * (double)lost[i];
        }
    }
    return sum;
}

pl_grid_param pl_grid_fit_weighted(const pl_grid *grid, const float *w, const float *weights,
                                   size_t count)
{
    double lo = 0.0, hi = 0.0;
    for (size_t i = 0; i < count; i++) {
        lo = fmin(lo, (double)w[i]);
        hi = fmax(hi, (double)w[i]);
    }
    if (!(hi > lo)) {
        return pl_grid_fit(grid, w, count, 1);
    }
    const pl_scaling scaling = pl_grid_scaling(grid);
    const pl_format *format = grid->format;
    pl_grid plain = *grid;
    plain.mse = false;
    pl_grid_param best = pl_grid_fit(&plain, w, count, 1);
    double least = weighted_error(grid, best, w, weights, count);
    for (int i = format->search_from > 1.0 ? 0 : 1; i < STEPS; i++) {
        const double p = i > 0 ? 1.0 - i / 100.0 : format->search_from;
        const pl_grid_param param = format->fit(grid->bits, &scaling, p * lo, p * hi);
        const double error = weighted_error(grid, param, w, weights, count);
        if (error < least) {
            least = error;
            best = param;
        }
    }
    return best;
}
