/* GGUF's K-quants (ggml-org/llama.cpp, ggml-quants.h): blocks of 256 elements in sub-blocks of 16
 * or 32, whose small integer scales share one float16 d, and their minima one float16 dmin.
 * Products are rounded in the order of PyPI's gguf, so that every bit is the same. */
#include "core/tensor/dtype_parts.h"

#include "core/tensor/clones.h"
#include "core/tensor/half.h"

enum { SUB16 = 16, SUB32 = 32 };

static inline float load_f16(const uint8_t *from)
{
    return decode_f16(load16(from));
}

/* dst = (d scales[s]) (value - offset) for the 16 sub-blocks s of a block. */
static inline void scale_sub16(const uint8_t *restrict value, int offset, float d,
                               const int *restrict scales, float *restrict dst)
{
    for (int s = 0; s < PL_K_BLOCK / SUB16; s++) {
        const float scale = d * (float)scales[s];
        for (int i = 0; i < SUB16; i++) {
            dst[s * SUB16 + i] = scale * (float)(value[s * SUB16 + i] - offset);
        }
    }
}

/* Of each half of a block, 32 bytes hold four runs of 32 elements, two bits apiece: run j of half h
 * begins at element 128 h + 32 j. */

/* Block: 16 bytes of scale (low nibble) and minimum (high) of each 16 elements, 64 of quants, d,
 * dmin. */
PL_CLONES
void pl_decode_q2_k(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 84) {
        const float d = load_f16(src + 80), dmin = load_f16(src + 82);
        for (int s = 0; s < PL_K_BLOCK / SUB16; s++, dst += SUB16) {
            const uint8_t *q = src + 16 + s / 8 * SUB32 + s % 2 * SUB16;
            const float scale = d * (float)(src[s] & 0x0f);
            const float min = dmin * (float)(src[s] >> 4);
            const int shift = s % 8 / 2 * 2;
            for (int i = 0; i < SUB16; i++) {
                dst[i] = scale * (float)((q[i] >> shift) & 3) - min;
            }
        }
    }
}

/* The 16 scales of six bits less 32: low nibbles in the nibbles of the first 8 bytes, high bits in
 * the bit pairs of the last 4. */
static inline void unpack_q3_scales(const uint8_t *restrict packed, int *restrict scales)
{
    for (int s = 0; s < PL_K_BLOCK / SUB16; s++) {
        int low = (packed[s % 8] >> (s / 8 * 4)) & 0x0f;
        int high = (packed[8 + s % 4] >> (s / 4 * 2)) & 3;
        scales[s] = (low | high << 4) - 32;
    }
}

/* Block: 32 bytes of third bits (bit r of byte i is of element 32 r + i; where it is 0, 4 is taken
 * off), 64 of quants, 12 of scales, d. */
PL_CLONES
void pl_decode_q3_k(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 110) {
        const float d = load_f16(src + 108);
        int scales[PL_K_BLOCK / SUB16];
        uint8_t value[PL_K_BLOCK];
        unpack_q3_scales(src + 96, scales);
        for (int run = 0; run < PL_K_BLOCK / SUB32; run++) {
            const uint8_t *q = src + 32 + run / 4 * SUB32;
            for (int i = 0; i < SUB32; i++) {
                int two = (q[i] >> (run % 4 * 2)) & 3;
                value[run * SUB32 + i] = (uint8_t)(two | ((src[i] >> run) & 1) << 2);
            }
        }
        scale_sub16(value, 4, d, scales, dst);
        dst += PL_K_BLOCK;
    }
}

/* Scale and minimum, six bits each, of the 8 sub-blocks of Q4_K and Q5_K: bytes 0..3 and 4..7 hold
 * those of sub-blocks 0..3 and the two high bits of 4..7, whose low nibbles are in bytes 8..11. */
static inline void unpack_scale_min(const uint8_t *restrict packed, int s, int *scale, int *min)
{
    if (s < 4) {
        *scale = packed[s] & 0x3f;
        *min = packed[4 + s] & 0x3f;
    } else {
        *scale = (packed[4 + s] & 0x0f) | (packed[s - 4] >> 6 << 4);
        *min = (packed[4 + s] >> 4) | (packed[s] >> 6 << 4);
    }
}

/* Block: d, dmin, 12 bytes of scales, 128 of quants: each 32 bytes hold two sub-blocks, the first
 * in the low nibbles. */
PL_CLONES
void pl_decode_q4_k(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 144) {
        const float d = load_f16(src), dmin = load_f16(src + 2);
        for (int s = 0; s < PL_K_BLOCK / SUB32; s++, dst += SUB32) {
            const uint8_t *q = src + 16 + s / 2 * SUB32;
            const int shift = s % 2 * 4;
            int scale, min;
            unpack_scale_min(src + 4, s, &scale, &min);
            const float step = d * (float)scale, low = dmin * (float)min;
            for (int i = 0; i < SUB32; i++) {
                dst[i] = step * (float)((q[i] >> shift) & 0x0f) - low;
            }
        }
    }
}

/* As Q4_K with 32 bytes of fifth bits before the quants: bit s of byte i is of sub-block s. */
PL_CLONES
void pl_decode_q5_k(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 176) {
        const float d = load_f16(src), dmin = load_f16(src + 2);
        const uint8_t *fifth = src + 16;
        for (int s = 0; s < PL_K_BLOCK / SUB32; s++, dst += SUB32) {
            const uint8_t *q = src + 48 + s / 2 * SUB32;
            const int shift = s % 2 * 4;
            int scale, min;
            unpack_scale_min(src + 4, s, &scale, &min);
            const float step = d * (float)scale, low = dmin * (float)min;
            for (int i = 0; i < SUB32; i++) {
                int value = ((q[i] >> shift) & 0x0f) | ((fifth[i] >> s) & 1) << 4;
                dst[i] = step * (float)value - low;
            }
        }
    }
}

/* Block: 128 bytes of low nibbles (each half's 64 hold its elements 0..63 low, 64..127 high), 64 of
 * bit pairs, 16 int8 scales, d; 32 is taken off. */
PL_CLONES
void pl_decode_q6_k(const uint8_t *restrict src, size_t blocks, float *restrict dst)
{
    for (size_t b = 0; b < blocks; b++, src += 210) {
        const float d = load_f16(src + 208);
        int scales[PL_K_BLOCK / SUB16];
        uint8_t value[PL_K_BLOCK];
        for (int s = 0; s < PL_K_BLOCK / SUB16; s++) {
            scales[s] = (int8_t)src[192 + s];
        }
        for (int run = 0; run < PL_K_BLOCK / SUB32; run++) {
            const uint8_t *low = src + run / 4 * 64 + run % 2 * SUB32;
            const uint8_t *high = src + 128 + run / 4 * SUB32;
            const int low_shift = run % 4 / 2 * 4, high_shift = run % 4 * 2;
            for (int i = 0; i < SUB32; i++) {
                int four = (low[i] >> low_shift) & 0x0f, two = (high[i] >> high_shift) & 3;
                value[run * SUB32 + i] = (uint8_t)(four | two << 4);
            }
        }
        scale_sub16(value, 32, d, scales, dst);
        dst += PL_K_BLOCK;
    }
}
