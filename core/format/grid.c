#include "core/format/grid.h"

#include "core/base/checked.h"
#include "core/base/number.h"
#include "core/tensor/groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A group is read in pieces of this size when its values are not adjacent. */
enum { PIECE = 256, MSE_STEPS = 80 };

size_t pl_grid_groups(const pl_grid *grid, size_t cols)
{
    return pl_group_count(cols, grid->group_size);
}

pl_scaling pl_grid_scaling(const pl_grid *grid)
{
    return (pl_scaling){grid->scale_dtype, grid->scale_mode, grid->most};
}

double pl_grid_bits_per_weight(const pl_grid *grid, size_t rows, size_t cols)
{
    const pl_format *format = grid->format;
    int side = format->scale_bits > 0 ? format->scale_bits : grid->scale_dtype == PL_F32 ? 32 : 16;
    if (format->zero_point) {
        side += grid->bits;
    }
    const double all = (double)rows * (double)cols;
    const double whole = format->tensor_scale != NULL ? 32.0 / all : 0.0;
    const size_t block = pl_grid_block_rows(grid), blocks = (rows + block - 1) / block;
    return grid->scale_mode == PL_SCALE_TENSOR
               ? grid->bits + (double)side / all
               : grid->bits +
                     (double)side * (double)pl_grid_groups(grid, cols) * (double)blocks / all +
                     whole;
}

float pl_grid_most(pl_view w)
{
    float most = 0.0f;
    for (size_t r = 0; r < w.rows; r++) {
        const float *row = w.data + r * w.stride;
        for (size_t c = 0; c < w.cols; c++) {
            const float size = row[c] < 0.0f ? -row[c] : row[c];
            most = size > most ? size : most;
        }
    }
    return most;
}

void pl_grid_begin(pl_grid *grid, pl_view w)
{
    grid->most = pl_format_of_tensor(grid->format, grid->scale_mode) ? pl_grid_most(w) : 0.0f;
}

size_t pl_grid_block_rows(const pl_grid *grid)
{
    return grid->scale_mode == PL_SCALE_BLOCK ? PL_SCALE_BLOCK_SIZE : 1;
}

pl_status pl_grid_blocks(const pl_grid *grid, pl_view w, const bool *dead, float **out,
                         pl_error *err)
{
    const size_t high = pl_grid_block_rows(grid), groups = pl_grid_groups(grid, w.cols);
    const size_t width = pl_group_width(w.cols, grid->group_size);
    *out = NULL;
    if (high == 1) {
        return PL_OK;
    }
    float *most = *out = calloc((w.rows / high + 1) * groups, sizeof *most);
    if (most == NULL) {
        return pl_error_memory(err, "blocks of %zu x %zu weights", w.rows, w.cols);
    }
    for (size_t r = 0; r < w.rows; r++) {
        const float *row = w.data + r * w.stride;
        for (size_t c = 0; c < w.cols; c++) {
            float *of = &most[r / high * groups + c / width];
            *of = dead != NULL && dead[c] ? *of : fmaxf(*of, fabsf(row[c]));
        }
    }
    return PL_OK;
}

pl_grid pl_grid_of_block(const pl_grid *grid, const float *blocks, size_t groups, size_t row,
                         size_t group)
{
    pl_grid own = *grid;
    if (blocks != NULL) {
        own.most = blocks[row / pl_grid_block_rows(grid) * groups + group];
    }
    return own;
}

size_t pl_grid_levels(const pl_grid *grid, pl_grid_param param, float *levels)
{
    int least = 0, most = 0;
    size_t count = 0, distinct = 0;
    grid->format->codes(grid->bits, &least, &most);
    for (int code = least; code <= most && count < 256; code++) {
        const float value = pl_grid_value(grid, param, code);
        if (!isnan(value)) {
            levels[count++] = value + 0.0f; /* one 0 */
        }
    }
    qsort(levels, count, sizeof *levels, pl_floats_rising);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || levels[i] > levels[distinct - 1]) {
            levels[distinct++] = levels[i];
        }
    }
    return distinct;
}

uint32_t pl_grid_stored_scale(const pl_grid *grid, float scale)
{
    const pl_scaling scaling = pl_grid_scaling(grid);
    if (grid->format->stored_scale != NULL) {
        return grid->format->stored_scale(&scaling, scale);
    }
    uint32_t bits = 0;
    memcpy(&bits, &scale, sizeof bits);
    return grid->scale_dtype == PL_F16    ? pl_f32_to_f16(scale)
           : grid->scale_dtype == PL_BF16 ? pl_f32_to_bf16(scale)
                                          : bits;
}

float pl_grid_tensor_scale(const pl_grid *grid)
{
    const pl_scaling scaling = pl_grid_scaling(grid);
    return grid->format->tensor_scale != NULL ? grid->format->tensor_scale(&scaling) : 1.0f;
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

/* As pl_format_fit, of values that need not be adjacent: a block of a format with two candidates is
 * no longer than a piece. */
static pl_grid_param fit_values(const pl_grid *grid, const pl_scaling *scaling, double lo,
                                double hi, const group_values *values)
{
    const pl_format *format = grid->format;
    if (format->second == NULL || values->stride == 1) {
        return pl_format_fit(format, grid->bits, scaling, lo, hi, values->w, values->count);
    }
    float block[PIECE];
    const size_t count = values->count < PIECE ? values->count : PIECE;
    for (size_t i = 0; i < count; i++) {
        block[i] = values->w[i * values->stride];
    }
    return pl_format_fit(format, grid->bits, scaling, lo, hi, block, count);
}

pl_grid_param pl_grid_fit(const pl_grid *grid, const float *w, size_t count, size_t stride)
{
    const pl_scaling scaling = pl_grid_scaling(grid);
    const pl_format *format = grid->format;
    float lo = 0.0f, hi = 0.0f;
    for (size_t i = 0; i < count; i++) {
        const float x = w[i * stride];
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
    }
    if (!(hi > lo)) {
        return format->scale_bits > 0 || grid->most > 0.0f
                   ? format->fit(grid->bits, &scaling, 0.0, 0.0)
                   : (pl_grid_param){1.0f, 0};
    }
    const float unit = (float)pl_format_farther((double)lo, (double)hi);
    const group_values values = {w, count, stride};
    pl_grid_param best = fit_values(grid, &scaling, (double)lo, (double)hi, &values);
    if (!grid->mse) {
        return best;
    }
    double least = group_error(grid, &values, best, unit);
    for (int i = format->search_from > 1.0 ? 0 : 1; i < MSE_STEPS; i++) {
        const double p = i > 0 ? 1.0 - i / 100.0 : format->search_from;
        const pl_grid_param param =
            format->fit(grid->bits, &scaling, p * (double)lo, p * (double)hi);
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
    const int16_t zero = (int16_t)pl_grid_code(grid, (pl_grid_param){1.0f, 0}, 0.0f);
    for (size_t i = 0; i < weights; i++) {
        q->codes[i] = zero;
    }
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
