#include "core/quant/grid.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A group is read in pieces of this size when its values are not adjacent. */
enum { PIECE = 256, LANES = 16, MSE_STEPS = 80 };

typedef struct code_range {
    float least, most; /* codes, inclusive */
} code_range;

static code_range codes_of(const pl_grid *grid)
{
    if (grid->symmetry == PL_ASYMMETRIC) {
        return (code_range){0.0f, (float)((1 << grid->bits) - 1)};
    }
    const int half = 1 << (grid->bits - 1);
    return (code_range){(float)-half, (float)(half - 1)};
}

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
    if (grid->symmetry == PL_ASYMMETRIC) {
        side += grid->bits;
    }
    return grid->bits + (double)side * (double)pl_grid_groups(grid, cols) / (double)cols;
}

/* Rounds a positive scale to its dtype, kept positive and finite. */
static float store_scale(pl_dtype dtype, double scale)
{
    float stored = (float)scale;
    if (dtype == PL_F16) {
        stored = pl_f16_to_f32(pl_f32_to_f16(stored));
        stored = stored > 0.0f ? stored : 0x1p-24f;
        return stored <= 65504.0f ? stored : 65504.0f;
    }
    if (dtype == PL_BF16) {
        stored = pl_bf16_to_f32(pl_f32_to_bf16(stored));
        stored = stored > 0.0f ? stored : 0x1p-133f;
        return stored <= 0x1.fep127f ? stored : 0x1.fep127f;
    }
    stored = stored > 0.0f ? stored : 0x1p-149f;
    return stored <= FLT_MAX ? stored : FLT_MAX;
}

/* The grid over the range [lo, hi] with lo <= 0 <= hi, not both 0. */
static pl_grid_param param_of(const pl_grid *grid, double lo, double hi)
{
    const double steps = (double)(1 << grid->bits) - 1.0;
    const double max = -lo > hi ? -lo : hi;
    if (grid->symmetry == PL_SYMMETRIC) {
        return (pl_grid_param){store_scale(grid->scale_dtype, max / ((1 << (grid->bits - 1)) - 1)),
                               0};
    }
    if (grid->symmetry == PL_SYMMETRIC_FULL) {
        return (pl_grid_param){store_scale(grid->scale_dtype, 2.0 * max / steps), 0};
    }
    const float scale = store_scale(grid->scale_dtype, (hi - lo) / steps);
    double zero = rint(-lo / (double)scale);
    zero = zero < steps ? zero : steps;
    return (pl_grid_param){scale, (int)zero};
}

/* Weights are clamped in float before they become integers: w / s may be as large as FLT_MAX. */
static inline __attribute__((always_inline)) float code_value(float w, float scale, float zero,
                                                              float least, float most)
{
    const float q = rintf(w / scale) + zero;
    const float low = q > least ? q : least;
    return low < most ? low : most;
}

/* e^2.4 for e >= 0 without a call: t = e^2, then t * t^(1/5) with t^(-1/5) by Newton from a guess
 * through the exponent bits.  Good to 1e-6 relative, 0 for 0. */
static inline __attribute__((always_inline)) float power_2_4(float e)
{
    const float t = e * e;
    int32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = 0x4c2a3d71 - (int32_t)((float)bits * 0.2f);
    float y;
    memcpy(&y, &bits, sizeof y);
    for (int i = 0; i < 3; i++) {
        const float y2 = y * y;
        y = y * (1.2f - 0.2f * t * y2 * y2 * y);
    }
    const float y2 = y * y;
    return t * (t * y2 * y2);
}

/* sum |w - w^|^2.4 over adjacent values, in units of `unit` (the group's largest magnitude). */
PL_CLONES
static double range_error(const float *w, size_t count, float scale, float zero, float least,
                          float most, float unit)
{
    float sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const float x = w[i + lane];
            const float q = code_value(x, scale, zero, least, most) - zero;
            sums[lane] += power_2_4(fabsf(x - scale * q) / unit);
        }
    }
    for (; i < count; i++) {
        const float q = code_value(w[i], scale, zero, least, most) - zero;
        sums[i % LANES] += power_2_4(fabsf(w[i] - scale * q) / unit);
    }
    double all = 0.0;
    for (int lane = 0; lane < LANES; lane++) {
        all += (double)sums[lane];
    }
    return all;
}

typedef struct group_values {
    const float *w;
    size_t count, stride;
} group_values;

static double group_error(const pl_grid *grid, const group_values *values, pl_grid_param param,
                          float unit)
{
    const code_range range = codes_of(grid);
    const float zero = (float)param.zero;
    if (values->stride == 1) {
        return range_error(values->w, values->count, param.scale, zero, range.least, range.most,
                           unit);
    }
    float piece[PIECE];
    double error = 0.0;
    for (size_t first = 0; first < values->count; first += PIECE) {
        size_t size = values->count - first < PIECE ? values->count - first : PIECE;
        for (size_t i = 0; i < size; i++) {
            piece[i] = values->w[(first + i) * values->stride];
        }
        error += range_error(piece, size, param.scale, zero, range.least, range.most, unit);
    }
    return error;
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
    const code_range range = codes_of(grid);
    return (int)code_value(w, param.scale, (float)param.zero, range.least, range.most);
}

float pl_grid_value(pl_grid_param param, int code)
{
    return param.scale * (float)(code - param.zero);
}

PL_CLONES
static void code_column(const float *restrict w, const float *restrict scales,
                        const float *restrict zeros, size_t count, float least, float most,
                        int16_t *restrict codes, float *restrict lost)
{
    for (size_t i = 0; i < count; i++) {
        const float q = code_value(w[i], scales[i], zeros[i], least, most);
        codes[i] = (int16_t)(int32_t)q;
        lost[i] = w[i] - scales[i] * (q - zeros[i]);
    }
}

void pl_grid_column(const pl_grid *grid, const float *scales, const float *zeros, const float *w,
                    size_t count, int16_t *codes, float *lost)
{
    const code_range range = codes_of(grid);
    code_column(w, scales, zeros, count, range.least, range.most, codes, lost);
}

PL_CLONES
static void encode(const float *w, size_t count, float scale, float zero, float least, float most,
                   int16_t *codes)
{
    for (size_t i = 0; i < count; i++) {
        codes[i] = (int16_t)(int32_t)code_value(w[i], scale, zero, least, most);
    }
}

void pl_grid_codes(const pl_grid *grid, pl_grid_param param, const float *w, size_t count,
                   int16_t *codes)
{
    const code_range range = codes_of(grid);
    encode(w, count, param.scale, (float)param.zero, range.least, range.most, codes);
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
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for %zu x %zu quantized weights",
                            rows, cols);
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
        const int16_t *codes = q->codes + r * q->cols;
        const float *scales = q->scales + r * q->groups;
        const int16_t *zeros = q->zeros + r * q->groups;
        float *row = out + r * q->cols;
        for (size_t c = 0; c < q->cols; c++) {
            const uint32_t k = q->group_of[c];
            row[c] = scales[k] * (float)(codes[c] - zeros[k]);
        }
    }
}
