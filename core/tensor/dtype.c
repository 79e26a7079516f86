#include "core/tensor/dtype.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"
#include "core/tensor/dtype_parts.h"
#include "core/tensor/half.h"

#include <assert.h>
#include <string.h>

/* Checkpoints are little-endian and are decoded in place. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a little-endian machine is needed");

enum { BLOCK = 32, HALF = 16 };

static const struct {
    const char *name;
    size_t block, bytes;
} infos[] = {
    [PL_F32] = {"F32", 1, 4},
    [PL_F16] = {"F16", 1, 2},
    [PL_BF16] = {"BF16", 1, 2},
    [PL_Q4_0] = {"Q4_0", BLOCK, 18},
    [PL_Q4_1] = {"Q4_1", BLOCK, 20},
    [PL_Q5_0] = {"Q5_0", BLOCK, 22},
    [PL_Q5_1] = {"Q5_1", BLOCK, 24},
    [PL_Q8_0] = {"Q8_0", BLOCK, 34},
    [PL_Q2_K] = {"Q2_K", PL_K_BLOCK, 84},
    [PL_Q3_K] = {"Q3_K", PL_K_BLOCK, 110},
    [PL_Q4_K] = {"Q4_K", PL_K_BLOCK, 144},
    [PL_Q5_K] = {"Q5_K", PL_K_BLOCK, 176},
    [PL_Q6_K] = {"Q6_K", PL_K_BLOCK, 210},
    [PL_MXFP4] = {"MXFP4", BLOCK, 17},
    [PL_DTYPE_OTHER] = {"other", 0, 0},
};

const char *pl_dtype_name(pl_dtype dtype)
{
    return infos[dtype].name;
}

size_t pl_dtype_block(pl_dtype dtype)
{
    return infos[dtype].block;
}

size_t pl_dtype_block_bytes(pl_dtype dtype)
{
    return infos[dtype].bytes;
}

bool pl_dtype_bytes(pl_dtype dtype, size_t count, size_t *bytes)
{
    size_t block = infos[dtype].block;
    return block > 0 && count % block == 0 && pl_mul(count / block, infos[dtype].bytes, bytes);
}

float pl_f16_to_f32(uint16_t h)
{
    return decode_f16(h);
}

uint16_t pl_f32_to_f16(float f)
{
    return encode_f16(f);
}

float pl_bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t pl_f32_to_bf16(float f)
{
    return encode_bf16(f);
}

PL_CLONES
static void decode_f16s(const uint8_t *restrict src, size_t count, float *restrict dst)
{
    for (size_t i = 0; i < count; i++) {
        dst[i] = decode_f16(load16(src + 2 * i));
    }
}

PL_CLONES
static void decode_bf16s(const uint8_t *restrict src, size_t count, float *restrict dst)
{
    for (size_t i = 0; i < count; i++) {
        dst[i] = float_of((uint32_t)load16(src + 2 * i) << 16);
    }
}

/* Low nibbles are elements 0..15, high nibbles 16..31; bit i of qh is bit 4 of element i. */

PL_CLONES
static void decode_q4_0(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 18, dst += BLOCK) {
        const float d = decode_f16(load16(src));
        for (int i = 0; i < HALF; i++) {
            dst[i] = d * (float)((src[2 + i] & 0x0f) - 8);
        }
        for (int i = 0; i < HALF; i++) {
            dst[HALF + i] = d * (float)((src[2 + i] >> 4) - 8);
        }
    }
}

PL_CLONES
static void decode_q4_1(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 20, dst += BLOCK) {
        const float d = decode_f16(load16(src));
        const float m = decode_f16(load16(src + 2));
        for (int i = 0; i < HALF; i++) {
            dst[i] = d * (float)(src[4 + i] & 0x0f) + m;
        }
        for (int i = 0; i < HALF; i++) {
            dst[HALF + i] = d * (float)(src[4 + i] >> 4) + m;
        }
    }
}

/* Elements of one q5 block, 0..31, from its 4 bytes of high bits and 16 of nibbles. */
static inline void unpack_q5(const uint8_t *restrict qh, const uint8_t *restrict qs,
                             int32_t *restrict q)
{
    uint32_t high;
    memcpy(&high, qh, sizeof high);
    for (int i = 0; i < HALF; i++) {
        q[i] = (int32_t)((qs[i] & 0x0fu) | (((high >> i) & 1u) << 4));
    }
    for (int i = 0; i < HALF; i++) {
        q[HALF + i] = (int32_t)(((uint32_t)qs[i] >> 4) | (((high >> (HALF + i)) & 1u) << 4));
    }
}

PL_CLONES
static void decode_q5_0(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 22, dst += BLOCK) {
        const float d = decode_f16(load16(src));
        int32_t q[BLOCK];
        unpack_q5(src + 2, src + 6, q);
        for (int i = 0; i < BLOCK; i++) {
            dst[i] = d * (float)(q[i] - 16);
        }
    }
}

PL_CLONES
static void decode_q5_1(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 24, dst += BLOCK) {
        const float d = decode_f16(load16(src));
        const float m = decode_f16(load16(src + 2));
        int32_t q[BLOCK];
        unpack_q5(src + 4, src + 8, q);
        for (int i = 0; i < BLOCK; i++) {
            dst[i] = d * (float)q[i] + m;
        }
    }
}

PL_CLONES
static void decode_q8_0(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 34, dst += BLOCK) {
        const float d = decode_f16(load16(src));
        const int8_t *q = (const int8_t *)src + 2;
        for (int i = 0; i < BLOCK; i++) {
            dst[i] = d * (float)q[i];
        }
    }
}

/* E2M1 in halves, which 2^(byte - 128) is the unit of: ggml's kvalues_mxfp4, without a -0. */
PL_CLONES
static void decode_mxfp4(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    static const float halves[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    for (size_t b = 0; b < blocks; b++, src += 17, dst += BLOCK) {
        const float d = float_of(src[0] < 2 ? 0x00200000u << src[0] : (src[0] - 1u) << 23);
        for (int i = 0; i < HALF; i++) {
            dst[i] = d * halves[src[1 + i] & 0x0f];
            dst[HALF + i] = d * halves[src[1 + i] >> 4];
        }
    }
}

void pl_dtype_decode(pl_dtype dtype, const void *src, size_t count, float *dst)
{
    assert(dtype < PL_DTYPE_OTHER && count % infos[dtype].block == 0);
    if (count == 0) {
        return;
    }
    switch (dtype) {
    case PL_F32:
        memcpy(dst, src, count * sizeof(float));
        break;
    case PL_F16:
        decode_f16s(src, count, dst);
        break;
    case PL_BF16:
        decode_bf16s(src, count, dst);
        break;
    case PL_Q4_0:
        decode_q4_0(src, count / BLOCK, dst);
        break;
    case PL_Q4_1:
        decode_q4_1(src, count / BLOCK, dst);
        break;
    case PL_Q5_0:
        decode_q5_0(src, count / BLOCK, dst);
        break;
    case PL_Q5_1:
        decode_q5_1(src, count / BLOCK, dst);
        break;
    case PL_Q8_0:
        decode_q8_0(src, count / BLOCK, dst);
        break;
    case PL_Q2_K:
        pl_decode_q2_k(src, count / PL_K_BLOCK, dst);
        break;
    case PL_Q3_K:
        pl_decode_q3_k(src, count / PL_K_BLOCK, dst);
        break;
    case PL_Q4_K:
        pl_decode_q4_k(src, count / PL_K_BLOCK, dst);
        break;
    case PL_Q5_K:
        pl_decode_q5_k(src, count / PL_K_BLOCK, dst);
        break;
    case PL_Q6_K:
        pl_decode_q6_k(src, count / PL_K_BLOCK, dst);
        break;
    case PL_MXFP4:
        decode_mxfp4(src, count / BLOCK, dst);
        break;
    case PL_DTYPE_OTHER:
        break;
    }
}

PL_CLONES
static void encode_f16s(const float *restrict src, size_t count, uint8_t *restrict dst)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t h = encode_f16(src[i]);
        memcpy(dst + 2 * i, &h, sizeof h);
    }
}

PL_CLONES
static void encode_bf16s(const float *restrict src, size_t count, uint8_t *restrict dst)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t h = encode_bf16(src[i]);
        memcpy(dst + 2 * i, &h, sizeof h);
    }
}

void pl_dtype_encode(pl_dtype dtype, const float *src, size_t count, void *dst)
{
    assert(dtype == PL_F32 || dtype == PL_F16 || dtype == PL_BF16);
    if (count == 0) {
        return;
    }
    if (dtype == PL_F32) {
        memcpy(dst, src, count * sizeof(float));
    } else if (dtype == PL_F16) {
        encode_f16s(src, count, dst);
    } else {
        encode_bf16s(src, count, dst);
    }
}
