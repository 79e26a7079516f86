/* The uniform formats (methods.md 1): x^ = scale (code - zero), rounded half to even.
 *
 * Symmetric: s = max|x| / (2^(b-1)-1), q in [-2^(b-1), 2^(b-1)-1].  Full: s = 2 max|x| / (2^b-1),
 * same clamp (GPTQ's and MagR's own grid).  Asymmetric: q in [0, 2^b-1] with a zero point. */
#include "core/format/format.h"

#include "core/tensor/clones.h"

#include <float.h>
#include <math.h>

enum { LANES = 16 };

/* Values are clamped in float before they become integers: x / s may be as large as FLT_MAX. */
static inline __attribute__((always_inline)) float code_of(float x, float scale, float zero,
                                                           float least, float most)
{
    const float q = rintf(x / scale) + zero;
    const float low = q > least ? q : least;
    return low < most ? low : most;
}

PL_CLONES
static void encode(float least, float most, pl_grid_param param, const float *x, size_t count,
                   int16_t *codes)
{
    const float scale = param.scale, zero = (float)param.zero;
    for (size_t i = 0; i < count; i++) {
        codes[i] = (int16_t)(int32_t)code_of(x[i], scale, zero, least, most);
    }
}

PL_CLONES
static void column(float least, float most, const float *restrict scales,
                   const float *restrict zeros, const float *restrict x, size_t count,
                   int16_t *restrict codes, float *restrict lost)
{
    for (size_t i = 0; i < count; i++) {
        const float q = code_of(x[i], scales[i], zeros[i], least, most);
        codes[i] = (int16_t)(int32_t)q;
        lost[i] = x[i] - scales[i] * (q - zeros[i]);
    }
}

static void decode(const float *scales, const int16_t *zeros, const uint32_t *group_of,
                   const int16_t *codes, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t k = group_of[i];
        out[i] = scales[k] * (float)(codes[i] - zeros[k]);
    }
}

PL_CLONES
static void round_values(float least, float most, pl_grid_param param, float *restrict x,
                         size_t count)
{
    const float scale = param.scale, zero = (float)param.zero;
    /* The end codes lie up to a step outside the range: those whose value is no float32 are left
     * out, which only ranges near its limit have. */
    const float reach = floorf(FLT_MAX / scale);
    const float low = fmaxf(least, zero - reach), high = fminf(most, zero + reach);
    for (size_t i = 0; i < count; i++) {
        float q = rintf(x[i] / scale) + zero;
        q = q < low ? low : q > high ? high : q;
        x[i] = scale * (q - zero);
    }
}

PL_CLONES
static double range_error(float least, float most, pl_grid_param param, const float *x,
                          size_t count, float unit)
{
    const float scale = param.scale, zero = (float)param.zero;
    float sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const float value = x[i + lane];
            const float q = code_of(value, scale, zero, least, most) - zero;
            sums[lane] += pl_power_2_4(fabsf(value - scale * q) / unit);
        }
    }
    for (; i < count; i++) {
        const float q = code_of(x[i], scale, zero, least, most) - zero;
        sums[i % LANES] += pl_power_2_4(fabsf(x[i] - scale * q) / unit);
    }
    double all = 0.0;
    for (int lane = 0; lane < LANES; lane++) {
        all += (double)sums[lane];
    }
    return all;
}

static float levels_of(int bits)
{
    return (float)(1 << bits);
}

/* --- codes around 0 --------------------------------------------------------------------------- */

static double symmetric_steps(int bits)
{
    return (double)(1 << (bits - 1)) - 1.0;
}

static double full_steps(int bits)
{
    return ((double)(1 << bits) - 1.0) / 2.0;
}

static pl_grid_param symmetric_fit(int bits, const pl_scaling *scaling, double lo, double hi)
{
    const double scale = pl_format_farther(lo, hi) / symmetric_steps(bits);
    return (pl_grid_param){pl_format_store_scale(scaling->dtype, scale), 0};
}

static pl_grid_param full_fit(int bits, const pl_scaling *scaling, double lo, double hi)
{
    const double scale = pl_format_farther(lo, hi) / full_steps(bits);
    return (pl_grid_param){pl_format_store_scale(scaling->dtype, scale), 0};
}

static void signed_codes(int bits, int *least, int *most)
{
    *least = -(1 << (bits - 1));
    *most = (1 << (bits - 1)) - 1;
}

static void signed_encode(int bits, pl_grid_param param, const float *x, size_t count,
                          int16_t *codes)
{
    encode(-levels_of(bits) / 2, levels_of(bits) / 2 - 1, param, x, count, codes);
}

static void signed_column(int bits, const float *scales, const float *zeros, const float *x,
                          size_t count, int16_t *codes, float *lost)
{
    column(-levels_of(bits) / 2, levels_of(bits) / 2 - 1, scales, zeros, x, count, codes, lost);
}

static void signed_round(int bits, pl_grid_param param, float *x, size_t count)
{
    round_values(-levels_of(bits) / 2, levels_of(bits) / 2 - 1, param, x, count);
}

static double signed_range_error(int bits, pl_grid_param param, const float *x, size_t count,
                                 float unit)
{
    return range_error(-levels_of(bits) / 2, levels_of(bits) / 2 - 1, param, x, count, unit);
}

const pl_format pl_format_symmetric = {
    .name = "symmetric",
    .key = "yes",
    .has_bound = true,
    .fit = symmetric_fit,
    .encode = signed_encode,
    .column = signed_column,
    .decode = decode,
    .round = signed_round,
    .range_error = signed_range_error,
    .steps = symmetric_steps,
    .codes = signed_codes,
};

const pl_format pl_format_full = {
    .name = "symmetric with one level more",
    .key = "full",
    .has_bound = true,
    .fit = full_fit,
    .encode = signed_encode,
    .column = signed_column,
    .decode = decode,
    .round = signed_round,
    .range_error = signed_range_error,
    .steps = full_steps,
    .codes = signed_codes,
};

/* --- codes from 0 on -------------------------------------------------------------------------- */

static double asymmetric_steps(int bits)
{
    return (double)(1 << bits) - 1.0;
}

static pl_grid_param asymmetric_fit(int bits, const pl_scaling *scaling, double lo, double hi)
{
    const double steps = asymmetric_steps(bits);
    const float scale = pl_format_store_scale(scaling->dtype, (hi - lo) / steps);
    const double zero = rint(-lo / (double)scale);
    return (pl_grid_param){scale, (int)(zero < steps ? zero : steps)};
}

static void asymmetric_encode(int bits, pl_grid_param param, const float *x, size_t count,
                              int16_t *codes)
{
    encode(0.0f, levels_of(bits) - 1, param, x, count, codes);
}

static void asymmetric_column(int bits, const float *scales, const float *zeros, const float *x,
                              size_t count, int16_t *codes, float *lost)
{
    column(0.0f, levels_of(bits) - 1, scales, zeros, x, count, codes, lost);
}

static void asymmetric_round(int bits, pl_grid_param param, float *x, size_t count)
{
    round_values(0.0f, levels_of(bits) - 1, param, x, count);
}

static double asymmetric_range_error(int bits, pl_grid_param param, const float *x, size_t count,
                                     float unit)
{
    return range_error(0.0f, levels_of(bits) - 1, param, x, count, unit);
}

const pl_format pl_format_asymmetric = {
    .name = "asymmetric",
    .key = "no",
    .zero_point = true,
    .fit = asymmetric_fit,
    .encode = asymmetric_encode,
    .column = asymmetric_column,
    .decode = decode,
    .round = asymmetric_round,
    .range_error = asymmetric_range_error,
    .steps = asymmetric_steps,
    .codes = pl_format_codes_from_0,
};
