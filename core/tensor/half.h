/* core/tensor/half.h -- float16 and bfloat16 of one number each, inline for the loops of the
 * element types; private to core/tensor. */
#ifndef PL_TENSOR_HALF_H
#define PL_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline uint16_t load16(const uint8_t *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* Branch-free, and without float32 subnormals, which are slow on many processors. */
static inline float decode_f16(uint16_t h)
{
    uint32_t magnitude = h & 0x7fffu;
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t rebias = magnitude >= 0x7c00u ? 224u << 23 : 112u << 23;
    uint32_t normal = (magnitude << 13) + rebias;
    uint32_t subnormal = bits_of((float)(int32_t)magnitude * 0x1p-24f);
    return float_of(sign | (magnitude < 0x0400u ? subnormal : normal));
}

static inline uint16_t encode_f16(float f)
{
    uint32_t bits = bits_of(f);
    uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
    /* 0.5 has an ulp of 2^-24, float16's smallest step: the addition rounds half to even. */
    uint32_t small = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    uint32_t normal = (magnitude - (112u << 23) + 0x0fffu + ((magnitude >> 13) & 1u)) >> 13;
    uint32_t finite = magnitude < 0x38800000u ? small : normal;
    return (uint16_t)(sign | (magnitude >= 0x47800000u ? special : finite));
}

static inline uint16_t encode_bf16(float f)
{
    uint32_t bits = bits_of(f);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    uint32_t quiet = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

#endif
