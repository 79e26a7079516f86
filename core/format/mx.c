/* The MX formats (OCP Microscaling Formats v1.0): blocks of 32, one power of two (E8M0) a block,
 * elements E2M1, E2M3, E3M2 or E4M3.  The rules for the power are torchao's (mx_tensor.py), but
 * that the least one, byte 0, is 2^-127 as the standard has it. */
#include "core/format/element.h"

enum { E8M0_BIAS = 127 };

/* floor(log2 a); float32's subnormals and 0 are -127. */
static int exponent_of(float a)
{
    return (int)((pl_float_bits){.f = a}.u >> 23) - 127;
}

/* ceil(log2 a), at least -127. */
static int rounded_up(float a)
{
    const uint32_t bits = (pl_float_bits){.f = a}.u;
    return bits <= 0x400000u ? -127 : exponent_of(a) + ((bits & 0x7fffffu) != 0);
}

static float scale_of(int e)
{
    return ldexpf(1.0f, e < -E8M0_BIAS ? -E8M0_BIAS : e > E8M0_BIAS ? E8M0_BIAS : e);
}

static pl_grid_param fit_mx(pl_minifloat type, const pl_scaling *scaling, double lo, double hi)
{
    const float a = (float)pl_format_farther(lo, hi);
    const int largest = exponent_of(type.most);
    pl_float_bits even = {.f = a};
    even.u += 1u << (23 - type.mantissa - 1);
    const int e = scaling->mode == PL_SCALE_RCEIL  ? rounded_up(a / type.most)
                  : scaling->mode == PL_SCALE_CEIL ? rounded_up(a) - largest
                  : scaling->mode == PL_SCALE_EVEN ? exponent_of(even.f) - largest
                                                   : exponent_of(a) - largest;
    return (pl_grid_param){scale_of(e), 0};
}

static uint32_t stored_scale(const pl_scaling *scaling, float scale)
{
    (void)scaling;
    return (uint32_t)(ilogbf(scale) + E8M0_BIAS);
}

#define MX_FORMAT(NAME, TYPE, BITS, NAMED)                                                         \
    PL_ELEMENT_INLINE int NAME##_code(float x, float scale)                                        \
    {                                                                                              \
        return pl_minifloat_code(TYPE, x / scale);                                                 \
    }                                                                                              \
    PL_ELEMENT_INLINE float NAME##_value(int code)                                                 \
    {                                                                                              \
        return pl_minifloat_value(TYPE, code);                                                     \
    }                                                                                              \
    PL_ELEMENT_INLINE float NAME##_nearest(float x, float scale)                                   \
    {                                                                                              \
        return pl_minifloat_nearest(TYPE, x / scale);                                              \
    }                                                                                              \
    PL_ELEMENT_MEMBERS(NAME, NAME##_code, NAME##_value, NAME##_nearest)                            \
    static pl_grid_param NAME##_fit(int bits, const pl_scaling *scaling, double lo, double hi)     \
    {                                                                                              \
        (void)bits;                                                                                \
        return fit_mx(TYPE, scaling, lo, hi);                                                      \
    }                                                                                              \
    const pl_format pl_format_##NAME = {                                                           \
        .name = NAMED,                                                                             \
        .key = #NAME,                                                                              \
        .bits = BITS,                                                                              \
        .blocks = true,                                                                            \
        .group_size = 32,                                                                          \
        .scale_bits = 8,                                                                           \
        .modes = 1u << PL_SCALE_FLOOR | 1u << PL_SCALE_EVEN | 1u << PL_SCALE_CEIL |                \
                 1u << PL_SCALE_RCEIL,                                                             \
        .mode = PL_SCALE_FLOOR,                                                                    \
        .search_from = 2.0,                                                                        \
        .fit = NAME##_fit,                                                                         \
        .stored_scale = stored_scale,                                                              \
        PL_ELEMENT_ROWS(NAME),                                                                     \
    };

MX_FORMAT(mxfp4, PL_E2M1, 4, "MXFP4 (E2M1)")
MX_FORMAT(mxfp6_e2m3, PL_E2M3, 6, "MXFP6 (E2M3)")
MX_FORMAT(mxfp6_e3m2, PL_E3M2, 6, "MXFP6 (E3M2)")
MX_FORMAT(mxfp8, PL_E4M3, 8, "MXFP8 (E4M3)")
