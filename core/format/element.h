/* core/format/element.h -- formats whose codes are elements of a small number type, a value being
 * scale times element: what such a format's file needs beside its scales.  Private to core/format.
 *
 * Small floating point types: code = sign, exponent, mantissa from the top; rounded half to even,
 * saturating, subnormals kept, -0 a code of its own (OCP MX v1.0, 5.3). */
#ifndef PL_FORMAT_ELEMENT_H
#define PL_FORMAT_ELEMENT_H

#include "core/format/format.h"
#include "core/tensor/clones.h"

#include <float.h>
#include <math.h>

#define PL_ELEMENT_INLINE static inline __attribute__((always_inline))

typedef struct pl_minifloat {
    int exponent, mantissa; /* bits */
    int bias;
    float most;     /* the largest finite value */
    bool nan_above; /* the code above `most` is no number */
} pl_minifloat;

#define PL_E2M1 ((pl_minifloat){2, 1, 1, 6.0f, false})
#define PL_E2M3 ((pl_minifloat){2, 3, 1, 7.5f, false})
#define PL_E3M2 ((pl_minifloat){3, 2, 3, 28.0f, false})
#define PL_E4M3 ((pl_minifloat){4, 3, 7, 448.0f, true})

typedef union pl_float_bits {
    float f;
    uint32_t u;
} pl_float_bits;

/* 2^e as float32, e in -126 ... 127. */
PL_ELEMENT_INLINE float pl_power_of_two(int e)
{
    return (pl_float_bits){.u = (uint32_t)(e + 127) << 23}.f;
}

/* The type's value nearest to v, which is value(code(v)): without either, so that a loop of it is
 * vectorized.  Powers of two are multiplied and divided by exactly. */
PL_ELEMENT_INLINE float pl_minifloat_nearest(pl_minifloat type, float v)
{
    const float whole = fabsf(v), size = whole < type.most ? whole : type.most;
    const uint32_t sign = (pl_float_bits){.f = v}.u & 0x80000000u;
    const uint32_t octave = (pl_float_bits){.f = size}.u & 0x7f800000u;
    const uint32_t normal = (uint32_t)(1 - type.bias + 127) << 23;
    const uint32_t step = (octave > normal ? octave : normal) - ((uint32_t)type.mantissa << 23);
    const float steps = size * (pl_float_bits){.u = (254u << 23) - step}.f;
    const float near = rintf(steps) * (pl_float_bits){.u = step}.f;
    return (pl_float_bits){.u = (pl_float_bits){.f = near}.u | sign}.f;
}

PL_ELEMENT_INLINE int pl_minifloat_code(pl_minifloat type, float v)
{
    const uint32_t sign = (pl_float_bits){.f = v}.u >> 31;
    float size = fabsf(v);
    size = size < type.most ? size : type.most;
    const float normal = pl_power_of_two(1 - type.bias);
    const float octave = (pl_float_bits){.u = (pl_float_bits){.f = size}.u & 0x7f800000u}.f;
    const float step = (octave > normal ? octave : normal) * pl_power_of_two(-type.mantissa);
    const float near = rintf(size / step) * step;
    const int above = (int)((pl_float_bits){.f = near}.u >> (23 - type.mantissa)) -
                      ((127 - type.bias) << type.mantissa);
    const int below = (int)(near / (normal * pl_power_of_two(-type.mantissa)));
    return (int)(sign << (type.exponent + type.mantissa)) | (near < normal ? below : above);
}

PL_ELEMENT_INLINE float pl_minifloat_value(pl_minifloat type, int code)
{
    const int size = code & ((1 << (type.exponent + type.mantissa)) - 1);
    const uint32_t sign = (uint32_t)(code != size) << 31;
    const float below = (float)size * pl_power_of_two(1 - type.bias - type.mantissa);
    const float above = (pl_float_bits){.u = ((uint32_t)size << (23 - type.mantissa)) +
                                             ((uint32_t)(127 - type.bias) << 23)}
                            .f;
    const float value = type.nan_above && above > type.most ? NAN
                        : size < 1 << type.mantissa         ? below
                                                            : above;
    return (pl_float_bits){.u = (pl_float_bits){.f = value}.u | sign}.f;
}

/* Scale times element.  A scale near float32's limit has elements whose value is no float32. */
PL_ELEMENT_INLINE float pl_element_times(float scale, float element)
{
    const float value = scale * element;
    return value < -FLT_MAX ? -FLT_MAX : value > FLT_MAX ? FLT_MAX : value;
}

/* Defines NAME_encode, NAME_column, NAME_decode, NAME_round and NAME_range_error, members of a
 * pl_format, by code_of(float x, float scale), value_of(int code) and nearest_to(float x, float
 * scale), which is the value of the code. */
#define PL_ELEMENT_MEMBERS(NAME, code_of, value_of, nearest_to)                                    \
    PL_CLONES                                                                                      \
    static void NAME##_encode(int bits, pl_grid_param param, const float *x, size_t count,         \
                              int16_t *codes)                                                      \
    {                                                                                              \
        (void)bits;                                                                                \
        for (size_t i = 0; i < count; i++) {                                                       \
            codes[i] = (int16_t)code_of(x[i], param.scale);                                        \
        }                                                                                          \
    }                                                                                              \
    PL_CLONES                                                                                      \
    static void NAME##_column(int bits, const float *restrict scales, const float *restrict zeros, \
                              const float *restrict x, size_t count, int16_t *restrict codes,      \
                              float *restrict lost)                                                \
    {                                                                                              \
        (void)bits, (void)zeros;                                                                   \
        for (size_t i = 0; i < count; i++) {                                                       \
            const int code = code_of(x[i], scales[i]);                                             \
            codes[i] = (int16_t)code;                                                              \
            lost[i] = x[i] - pl_element_times(scales[i], nearest_to(x[i], scales[i]));             \
        }                                                                                          \
    }                                                                                              \
    static void NAME##_decode(const float *scales, const int16_t *zeros, const uint32_t *group_of, \
                              const int16_t *codes, size_t count, float *out)                      \
    {                                                                                              \
        (void)zeros;                                                                               \
        for (size_t i = 0; i < count; i++) {                                                       \
            out[i] = pl_element_times(scales[group_of[i]], value_of(codes[i]));                    \
        }                                                                                          \
    }                                                                                              \
    PL_CLONES                                                                                      \
    static void NAME##_round(int bits, pl_grid_param param, float *restrict x, size_t count)       \
    {                                                                                              \
        (void)bits;                                                                                \
        for (size_t i = 0; i < count; i++) {                                                       \
            x[i] = pl_element_times(param.scale, nearest_to(x[i], param.scale));                   \
        }                                                                                          \
    }                                                                                              \
    static double NAME##_range_error(int bits, pl_grid_param param, const float *x, size_t count,  \
                                     float unit)                                                   \
    {                                                                                              \
        (void)bits;                                                                                \
        double sum = 0.0;                                                                          \
        for (size_t i = 0; i < count; i++) {                                                       \
            const float lost =                                                                     \
                x[i] - pl_element_times(param.scale, nearest_to(x[i], param.scale));               \
            sum += (double)pl_power_2_4(fabsf(lost) / unit);                                       \
        }                                                                                          \
        return sum;                                                                                \
    }

#define PL_ELEMENT_ROWS(NAME)                                                                      \
    .encode = NAME##_encode, .column = NAME##_column, .decode = NAME##_decode,                     \
    .round = NAME##_round, .range_error = NAME##_range_error, .codes = pl_format_codes_from_0

#endif
