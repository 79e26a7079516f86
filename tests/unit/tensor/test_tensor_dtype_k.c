/* The K-quants against PyPI's gguf, bit by bit, and against their definition one element at a time.
 *
 * The blocks are bytes of SplitMix64; `many`, `edges` and `few` are what this prints:
 *
 *   import numpy as np
 *   from gguf import GGMLQuantizationType as T, dequantize
 *   u = np.uint64
 *   def words(n, seed):
 *       x = np.arange(1, n + 1, dtype=u) * u(0x9E3779B97F4A7C15) + u(seed)
 *       x = (x ^ (x >> u(30))) * u(0xBF58476D1CE4E5B9)
 *       x = (x ^ (x >> u(27))) * u(0x94D049BB133111EB)
 *       return x ^ (x >> u(31))
 *   def blocks(t, size, at, n, seed, scales=None, fill=None):
 *       raw = words((n * size + 7) // 8, seed).view(np.uint8)[:n * size].reshape(n, size).copy()
 *       raw = raw if fill is None else np.full_like(raw, fill)
 *       for i, a in enumerate(at):
 *           if scales is None: raw[:, a + 1] &= 0xbf
 *           else: raw[:, a], raw[:, a + 1] = scales[i] & 255, scales[i] >> 8
 *       return dequantize(raw, t).reshape(-1).view(np.uint32)
 *   def checksum(bits):
 *       return hex((bits.astype(u) * (2 * np.arange(bits.size, dtype=u) + u(1))).sum(dtype=u))
 *   for t, size, at in ((T.Q2_K, 84, [80, 82]), (T.Q3_K, 110, [108]), (T.Q4_K, 144, [0, 2]),
 *                       (T.Q5_K, 176, [0, 2]), (T.Q6_K, 210, [208])):
 *       print(t.name, checksum(blocks(t, size, at, 2000, 7)))
 *       for s, f in (((1, 0x83ff), None), ((0x7bff, 0xfbff), 255), ((0x7bff, 0x7bff), 128),
 *                    ((0x8000, 0), None)): print(checksum(blocks(t, size, at, 1, 11, s, f)))
 *       print([hex(v) for v in blocks(t, size, at, 1, 11, (0x224c, 0x8123))[places]])
 */
#include "core/tensor/dtype.h"

#include "tests/support/check.h"
#include "tests/support/split_mix.h"

#include <stdlib.h>

enum { BLOCK = 256, MANY = 2000, FEW = 16, WIDEST = 210 };

static const size_t places[FEW] = {0,   1,   17,  34,  63,  64,  100, 127,
                                   128, 129, 160, 200, 224, 240, 254, 255};

/* Bytes of scale (and of minimum, where there is one) of the four edge blocks, and what all the
 * others hold (-1: random). */
static const struct {
    uint16_t scales[2];
    int fill;
} edges[4] = {{{0x0001, 0x83ff}, -1},   /* subnormal */
              {{0x7bff, 0xfbff}, 0xff}, /* the largest, all bits set */
              {{0x7bff, 0x7bff}, 0x80}, /* int8's least */
              {{0x8000, 0x0000}, -1}};  /* zeros of both signs */

static const struct {
    pl_dtype dtype;
    size_t at[2]; /* of the float16 scales in the block; 0 as the second: none */
    uint64_t many, edges[4];
    uint32_t few[FEW];
} golden[] = {
    {PL_Q2_K,
     {80, 82},
     UINT64_C(0x93ad61fb0d8bf4c),
     {UINT64_C(0x39a1e22df800), UINT64_C(0x4a6fe2000000), UINT64_C(0xc8ffe0000000),
      UINT64_C(0x800000000000)},
     {0x3e23e0ec, 0x3ea3cc76, 0x385a4000, 0x39118000, 0x3de2c230, 0x3ea3c7ea, 0x39886800,
      0x38b5e000, 0x3935e000, 0x3d17d5e0, 0x3e0aa348, 0x3d4a6c70, 0x3dfbf230, 0x3d1768c0,
      0x38918000, 0x3de2d460}},
    {PL_Q3_K,
     {108},
     UINT64_C(0xbdd2807f0d6f700),
     {UINT64_C(0x6f838e4c0000), UINT64_C(0x4ab9e8c00000), UINT64_C(0x644fe2800000),
      UINT64_C(0x40eb80000000)},
     {0x00000000, 0xbf7f0600, 0xbdfbe000, 0x3f8dae00, 0xbf2a0400, 0x80000000, 0x00000000,
      0x3db05000, 0xbf305000, 0xbeb05000, 0x3f0dae00, 0x3cc98000, 0x3d972000, 0x3f2a0400,
      0x3f62b000, 0xbe62b000}},
    {PL_Q4_K,
     {0, 2},
     UINT64_C(0x24511a29e38c865d),
     {UINT64_C(0x3aa9cf9fa900), UINT64_C(0x4c7be0800000), UINT64_C(0x6416ae280000),
      UINT64_C(0x800000000000)},
     {0x411c0db8, 0x3fc020c2, 0x40d81470, 0x407f0b66, 0x4062b566, 0x4026ea38, 0x3eca03dc,
      0x403cf87c, 0x3a4c9c00, 0x405491ca, 0x40043d6c, 0x40b69e8f, 0x3f6f5ebc, 0x4060592f,
      0x3eef7578, 0x405164af}},
    {PL_Q5_K,
     {0, 2},
     UINT64_C(0x320b921124b9501c),
     {UINT64_C(0x3aac8a13b200), UINT64_C(0x4cfbe0800000), UINT64_C(0x644ab7270000),
      UINT64_C(0x800000000000)},
     {0x417013d8, 0x41340f78, 0x41960c1c, 0x415b9bda, 0x40d487b3, 0x4126e10e, 0x3ffc00f7,
      0x40c33c3e, 0x3e637c9c, 0x40a2f4e5, 0x40dc64b6, 0x417b17c7, 0x3f6f5ebc, 0x40abfe98,
      0x3f95985e, 0x40d8dc18}},
    {PL_Q6_K,
     {208},
     UINT64_C(0x5eec45d1d21f6606),
     {UINT64_C(0x806917c54000), UINT64_C(0xc9f7e1000000), UINT64_C(0x7915e2400000),
      UINT64_C(0x368a80000000)},
     {0x411e9a40, 0xc1433400, 0x41ef15a0, 0xc194c380, 0x409fc880, 0xc17fcf80, 0x4207ba28,
      0xc1f52f40, 0xc1dbff40, 0x41d38920, 0x41317e40, 0x419784c0, 0xc1311980, 0xc08dae00,
      0xc0382f00, 0x40382f00}},
};
enum { KINDS = sizeof golden / sizeof golden[0] };

/* Random blocks at out (room for 7 more bytes), the scales' exponents kept below 16. */
static void fill_random(size_t kind, size_t blocks, uint64_t seed, uint8_t *out)
{
    const size_t size = pl_dtype_block_bytes(golden[kind].dtype);
    for (size_t i = 0; i < blocks * size; i += 8) {
        uint64_t word = split_mix(&seed);
        memcpy(out + i, &word, sizeof word);
    }
    for (size_t b = 0; b < blocks; b++) {
        for (size_t k = 0; k < 2; k++) {
            if (k == 0 || golden[kind].at[k] > 0) {
                out[b * size + golden[kind].at[k] + 1] &= 0xbf;
            }
        }
    }
}

static void set_scales(size_t kind, const uint16_t scales[2], uint8_t *block)
{
    for (size_t k = 0; k < 2; k++) {
        if (k == 0 || golden[kind].at[k] > 0) {
            memcpy(block + golden[kind].at[k], &scales[k], sizeof scales[k]);
        }
    }
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static uint64_t checksum(const float *values, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += bits_of(values[i]) * (2 * (uint64_t)i + 1);
    }
    return sum;
}

static void random_blocks_are_ggufs(void **state)
{
    (void)state;
    uint8_t *raw = malloc(MANY * WIDEST + 8);
    float *out = malloc((size_t)MANY * BLOCK * sizeof *out);
    assert_true(raw != NULL && out != NULL);
    for (size_t kind = 0; kind < KINDS; kind++) {
        fill_random(kind, MANY, 7, raw);
        pl_dtype_decode(golden[kind].dtype, raw, (size_t)MANY * BLOCK, out);
        assert_int_equal(checksum(out, (size_t)MANY * BLOCK), golden[kind].many);
    }
    free(raw);
    free(out);
}

static void edges_and_single_values_are_ggufs(void **state)
{
    (void)state;
    static const uint16_t plain[2] = {0x224c, 0x8123};
    for (size_t kind = 0; kind < KINDS; kind++) {
        uint8_t block[WIDEST + 8];
        float out[BLOCK];
        for (size_t i = 0; i < 4; i++) {
            fill_random(kind, 1, 11, block);
            if (edges[i].fill >= 0) {
                memset(block, edges[i].fill, sizeof block);
            }
            set_scales(kind, edges[i].scales, block);
            pl_dtype_decode(golden[kind].dtype, block, BLOCK, out);
            assert_int_equal(checksum(out, BLOCK), golden[kind].edges[i]);
        }
        fill_random(kind, 1, 11, block);
        set_scales(kind, plain, block);
        pl_dtype_decode(golden[kind].dtype, block, BLOCK, out);
        for (size_t i = 0; i < FEW; i++) {
            assert_int_equal(bits_of(out[places[i]]), golden[kind].few[i]);
        }
    }
}

static float f16_at(const uint8_t *from)
{
    uint16_t h;
    memcpy(&h, from, sizeof h);
    return pl_f16_to_f32(h);
}

/* Scale (which 0) or minimum (1) of sub-block s of Q4_K and Q5_K. */
static unsigned six_bits(const uint8_t *packed, size_t s, int which)
{
    if (s < 4) {
        return packed[s + (which == 0 ? 0u : 4u)] % 64u;
    }
    unsigned low = which == 0 ? packed[s + 4] % 16u : packed[s + 4] / 16u;
    return packed[s - (which == 0 ? 4u : 0u)] / 64u * 16u + low;
}

static unsigned bits_at(const uint8_t *bytes, size_t byte, size_t shift, unsigned count)
{
    return (unsigned)(bytes[byte] >> shift) % (1u << count);
}

/* One element, as ggml-quants.h describes the block. */
static float reference(pl_dtype dtype, const uint8_t *b, size_t i)
{
    const size_t half = i / 128, run = i % 128 / 32, in = i % 32; /* of the layouts by halves */
    const size_t s16 = i / 16, s32 = i / 32;
    float scale, product;
    unsigned q;
    int signed_q;
    switch (dtype) {
    case PL_Q2_K:
        scale = f16_at(b + 80) * (float)(b[s16] % 16);
        product = scale * (float)bits_at(b + 16, half * 32 + in, 2 * run, 2);
        return product - f16_at(b + 82) * (float)(b[s16] / 16);
    case PL_Q3_K:
        q = bits_at(b + 96, s16 % 8, s16 / 8 * 4, 4) +
            16 * bits_at(b + 104, s16 % 4, s16 / 4 * 2, 2);
        scale = f16_at(b + 108) * (float)((int)q - 32);
        signed_q = (int)bits_at(b + 32, half * 32 + in, 2 * run, 2);
        return scale * (float)(bits_at(b, in, s32, 1) == 1 ? signed_q : signed_q - 4);
    case PL_Q4_K:
    case PL_Q5_K:
        q = bits_at(b + (dtype == PL_Q4_K ? 16 : 48), i / 64 * 32 + in, s32 % 2 * 4, 4);
        q += dtype == PL_Q5_K ? 16 * bits_at(b + 16, in, s32, 1) : 0;
        scale = f16_at(b) * (float)six_bits(b + 4, s32, 0);
        product = scale * (float)q;
        return product - f16_at(b + 2) * (float)six_bits(b + 4, s32, 1);
    default:
        q = bits_at(b, half * 64 + i % 64, i % 128 / 64 * 4, 4);
        q += 16 * bits_at(b + 128, half * 32 + in, 2 * run, 2);
        scale = f16_at(b + 208) * (float)(int8_t)b[192 + s16];
        return scale * (float)((int)q - 32);
    }
}

/* One bit of a block at a time, so that every field is seen alone; from an odd address. */
static void every_bit_means_what_it_should(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        const pl_dtype dtype = golden[kind].dtype;
        const size_t size = pl_dtype_block_bytes(dtype);
        static const uint16_t plain[2] = {0x3c00, 0x3800};
        for (size_t bit = 0; bit < 16 * size; bit++) {
            uint8_t raw[WIDEST + 9];
            uint8_t *block = raw + 1;
            float out[BLOCK];
            memset(raw, bit < 8 * size ? 0x00 : 0xff, sizeof raw);
            set_scales(kind, plain, block);
            block[bit / 8 % size] ^= (uint8_t)(1u << bit % 8);
            pl_dtype_decode(dtype, block, BLOCK, out);
            for (size_t i = 0; i < BLOCK; i++) {
                assert_int_equal(bits_of(out[i]), bits_of(reference(dtype, block, i)));
            }
        }
    }
}

static void sizes_and_names(void **state)
{
    (void)state;
    static const char *const names[] = {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"};
    static const size_t sizes[] = {84, 110, 144, 176, 210};
    for (size_t kind = 0; kind < KINDS; kind++) {
        const pl_dtype dtype = golden[kind].dtype;
        size_t bytes = 0;
        assert_string_equal(pl_dtype_name(dtype), names[kind]);
        assert_int_equal(pl_dtype_block(dtype), BLOCK);
        assert_true(pl_dtype_bytes(dtype, 3 * BLOCK, &bytes));
        assert_int_equal(bytes, 3 * sizes[kind]);
        assert_false(pl_dtype_bytes(dtype, 128, &bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_blocks_are_ggufs),
        cmocka_unit_test(edges_and_single_values_are_ggufs),
        cmocka_unit_test(every_bit_means_what_it_should),
        cmocka_unit_test(sizes_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
