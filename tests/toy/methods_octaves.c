/* A number format: 0 and powers of two, which are not evenly spaced.  Code c > 0 is the value
 * scale 2^(1 - c), -c is minus that. */
#include "core/format/format.h"

#include <math.h>

static int smallest(int bits)
{
    return (1 << (bits - 1)) - 1;
}

static float value_of(float scale, int code)
{
    const float size = code == 0 ? 0.0f : ldexpf(scale, 1 - (code < 0 ? -code : code));
    return code < 0 ? -size : size;
}

static int code_of(int bits, float scale, float x)
{
    int best = 0;
    for (int c = -smallest(bits); c <= smallest(bits); c++) {
        best = fabsf(value_of(scale, c) - x) < fabsf(value_of(scale, best) - x) ? c : best;
    }
    return best;
}

static pl_grid_param fit_octaves(int bits, const pl_scaling *scaling, double lo, double hi)
{
    (void)bits;
    return (pl_grid_param){pl_format_store_scale(scaling->dtype, fmax(-lo, hi)), 0};
}

static void encode(int bits, pl_grid_param param, const float *x, size_t count, int16_t *codes)
{
    for (size_t i = 0; i < count; i++) {
        codes[i] = (int16_t)code_of(bits, param.scale, x[i]);
    }
}

static void column(int bits, const float *scales, const float *zeros, const float *x, size_t count,
                   int16_t *codes, float *lost)
{
    (void)zeros;
    for (size_t i = 0; i < count; i++) {
        codes[i] = (int16_t)code_of(bits, scales[i], x[i]);
        lost[i] = x[i] - value_of(scales[i], codes[i]);
    }
}

static void decode(const float *scales, const int16_t *zeros, const uint32_t *group_of,
                   const int16_t *codes, size_t count, float *out)
{
    (void)zeros;
    for (size_t i = 0; i < count; i++) {
        out[i] = value_of(scales[group_of[i]], codes[i]);
    }
}

static void round_values(int bits, pl_grid_param param, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = value_of(param.scale, code_of(bits, param.scale, x[i]));
    }
}

static double range_error(int bits, pl_grid_param param, const float *x, size_t count, float unit)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const float lost = x[i] - value_of(param.scale, code_of(bits, param.scale, x[i]));
        sum += (double)pl_power_2_4(fabsf(lost) / unit);
    }
    return sum;
}

static void codes(int bits, int *least, int *most)
{
    *least = -smallest(bits);
    *most = smallest(bits);
}

const pl_format pl_format_octaves = {
    .name = "powers of two",
    .key = "octaves",
    .fit = fit_octaves,
    .encode = encode,
    .column = column,
    .decode = decode,
    .round = round_values,
    .range_error = range_error,
    .codes = codes,
};
