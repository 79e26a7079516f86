#include "core/format/grid.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>

/* A group is read in pieces of this size when its values are not adjacent. */
enum { PIECE = 256, MSE_STEPS = 80 };

size_t pl_grid_groups(const pl_grid *grid, size_t cols)
{
    if (grid->group_size == 0 || cols == 0) {
        return 1;
    }
    return cols / grid->group_size + (cols % grid->group_size != 0);
}

double pl_grid_bits_per_weight(const pl_grid *grid, size_t cols)
{
    int side = grid->scale_dtype == PL_F32 ? 32 : 16;
    if (grid->format->zero_point) {
        side += grid->bits;
    }
    return grid->bits + (double)side * (double)pl_grid_groups(grid, cols) / (double)cols;
}

typedef struct group_values {
    const float *w;
    size_t count, stride;
} group_values;

static double group_error(const pl_grid *grid, const group_values *values, pl_grid_param param,
                          float unit)
{
    const pl_format *format = grid->format;
    if (values->stride == 1) {
        return format->range_error(grid->bits, param, values->w, values->count, unit);
    }
    float piece[PIECE];
    double error = 0.0;
    for (size_t first = 0; first < values->count; first += PIECE) {
        size_t size = values->count - first < PIECE ? values->count - first : PIECE;
        for (size_t i = 0; i < size; i++) {
            piece[i] = values->w[(first + i) * values->stride];
        }
        error += format->range_error(grid->bits, param, piece, size, unit);
    }
    return error;
}

static pl_grid_param param_of(const pl_grid *grid, double lo, double hi)
{
    return grid->format->fit(grid->bits, grid->scale_dtype, lo, hi);
}

pl_grid_param pl_grid_fit(const pl_grid *grid, const float *w, size_t count, size_t stride)
{
    float lo = 0.0f, hi = 0.0f;
    for (size_t i = 0; i < count; i++) {
        const float x = w[i * stride];
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
    }
    if (!(hi > lo)) {
        return (pl_grid_param){1.0f, 0};
    }
    const float unit = -lo > hi ? -lo : hi;
    pl_grid_param best = param_of(grid, (double)lo, (double)hi);
    if (!grid->mse) {
        return best;
    }
    const group_values values = {w, count, stride};
    double least = group_error(grid, &values, best, unit);
    for (int i = 1; i < MSE_STEPS; i++) {
        const double p = 1.0 - i / 100.0;
        const pl_grid_param param = param_of(grid, p * (double)lo, p * (double)hi);
        const double error = group_error(grid, &values, param, unit);
        if (error < least) {
            least = error;
            best = param;
        }
    }
    return best;
}

int pl_grid_code(const pl_grid *grid, pl_grid_param param, float w)
{
    int16_t code = 0;
    grid->format->encode(grid->bits, param, &w, 1, &code);
    return code;
}

float pl_grid_value(const pl_grid *grid, pl_grid_param param, int code)
{
    const int16_t zero = (int16_t)param.zero, stored = (int16_t)code;
    const uint32_t first = 0;
    float value = 0.0f;
    grid->format->decode(&param.scale, &zero, &first, &stored, 1, &value);
    return value;
}

void pl_grid_column(const pl_grid *grid, const float *scales, const float *zeros, const float *w,
                    size_t count, int16_t *codes, float *lost)
{
    grid->format->column(grid->bits, scales, zeros, w, count, codes, lost);
}

void pl_grid_codes(const pl_grid *grid, pl_grid_param param, const float *w, size_t count,
                   int16_t *codes)
{
    grid->format->encode(grid->bits, param, w, count, codes);
}

pl_status pl_qweights_init(pl_qweights *q, const pl_grid *grid, size_t rows, size_t cols,
                           pl_error *err)
{
    *q = (pl_qweights){.grid = *grid, .rows = rows, .cols = cols};
    q->groups = pl_grid_groups(grid, cols);
    size_t weights = 0, params = 0;
    if (pl_mul(rows, cols, &weights) && pl_mul(rows, q->groups, &params) && cols <= UINT32_MAX) {
        q->codes = pl_alloc(weights, sizeof *q->codes);
        q->scales = pl_alloc(params, sizeof *q->scales);
        q->zeros = pl_alloc(params, sizeof *q->zeros);
        q->group_of = pl_alloc(cols, sizeof *q->group_of);
    }
    if (q->codes == NULL || q->scales == NULL || q->zeros == NULL || q->group_of == NULL) {
        pl_qweights_deinit(q);
        return pl_error_memory(err, "%zu x %zu quantized weights", rows, cols);
    }
    memset(q->codes, 0, weights * sizeof *q->codes);
    memset(q->zeros, 0, params * sizeof *q->zeros);
    for (size_t i = 0; i < params; i++) {
        q->scales[i] = 1.0f;
    }
    for (size_t c = 0; c < cols; c++) {
        q->group_of[c] = grid->group_size > 0 ? (uint32_t)(c / grid->group_size) : 0;
    }
    return PL_OK;
}

void pl_qweights_deinit(pl_qweights *q)
{
    free(q->codes);
    free(q->scales);
    free(q->zeros);
    free(q->group_of);
    *q = (pl_qweights){0};
}

void pl_qweights_decode(const pl_qweights *q, float *out)
{
    for (size_t r = 0; r < q->rows; r++) {
        q->grid.format->decode(q->scales + r * q->groups, q->zeros + r * q->groups, q->group_of,
                               q->codes + r * q->cols, q->cols, out + r * q->cols);
    }
}
