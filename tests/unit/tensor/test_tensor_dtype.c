#include "core/tensor/dtype.h"

#include "core/base/rng.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* IEEE 754 binary16 by its definition. */
static double f16_value(unsigned h)
{
    int exponent = (int)(h >> 10 & 31);
    double fraction = h & 1023;
    double size = exponent == 0    ? ldexp(fraction, -24)
                  : exponent == 31 ? (fraction > 0 ? (double)NAN : (double)INFINITY)
                                   : ldexp(1024 + fraction, exponent - 25);
    return (h & 0x8000) != 0 ? -size : size;
}

static void every_f16_decodes(void **state)
{
    (void)state;
    enum { COUNT = 65536 };
    uint16_t *all = malloc(COUNT * sizeof *all);
    float *out = malloc(COUNT * sizeof *out);
    uint16_t *back = malloc(COUNT * sizeof *back);
    assert_true(all != NULL && out != NULL && back != NULL);
    for (unsigned h = 0; h < COUNT; h++) {
        all[h] = (uint16_t)h;
    }
    pl_dtype_decode(PL_F16, all, COUNT, out);
    pl_dtype_encode(PL_F16, out, COUNT, back);
    for (unsigned h = 0; h < COUNT; h++) {
        double value = f16_value(h);
        assert_int_equal(bits_of(out[h]), bits_of(pl_f16_to_f32((uint16_t)h)));
        if (isnan(value)) {
            assert_true(isnan(out[h]));
            expect_less(0x7c00, (back[h] & 0x7fff));
        } else {
            assert_int_equal(bits_of(out[h]), bits_of((float)value));
            assert_int_equal(back[h], h);
        }
    }
    free(all);
    free(out);
    free(back);
}

/* Half-way points go to even, their neighbours to their own side. */
static void f16_rounds_half_to_even(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7bff; h++) {
        float low = pl_f16_to_f32((uint16_t)h), high = pl_f16_to_f32((uint16_t)(h + 1));
        float middle = (low + high) / 2;
        unsigned even = (h & 1) == 0 ? h : h + 1;
        assert_int_equal(pl_f32_to_f16(middle), even);
        assert_int_equal(pl_f32_to_f16(-middle), even | 0x8000);
        assert_int_equal(pl_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(pl_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
    }
    assert_int_equal(pl_f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(pl_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(pl_f32_to_f16(3e38f), 0x7c00);
    assert_int_equal(pl_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(pl_f32_to_f16(1e-45f), 0);
    expect_less(0x7c00, (pl_f32_to_f16(NAN) & 0x7fff));
}

static void bf16_is_the_upper_half_rounded(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7f80; h++) {
        float low = pl_bf16_to_f32((uint16_t)h);
        assert_int_equal(bits_of(low), h << 16);
        assert_int_equal(pl_f32_to_bf16(low), h);
        uint32_t middle_bits = (h << 16) | 0x8000;
        float middle;
        memcpy(&middle, &middle_bits, sizeof middle);
        assert_int_equal(pl_f32_to_bf16(middle), (h & 1) == 0 ? h : h + 1);
        assert_int_equal(pl_f32_to_bf16(nextafterf(middle, 0)), h);
    }
    assert_int_equal(pl_f32_to_bf16(3.4e38f), 0x7f80);
    expect_less(0x7f80, (pl_f32_to_bf16(NAN) & 0x7fff));
    uint32_t signalling = 0x7f800001;
    float nan;
    memcpy(&nan, &signalling, sizeof nan);
    expect_less(0x7f80, (pl_f32_to_bf16(nan) & 0x7fff));
}

static unsigned byte(const uint8_t *block, size_t at)
{
    return block[at];
}

/* One element of a block, as llama.cpp's documentation defines it. */
static float reference(pl_dtype dtype, const uint8_t *block, unsigned i)
{
    float d = (float)f16_value(byte(block, 0) | byte(block, 1) << 8);
    float m = (float)f16_value(byte(block, 2) | byte(block, 3) << 8);
    bool has_m = dtype == PL_Q4_1 || dtype == PL_Q5_1;
    bool five = dtype == PL_Q5_0 || dtype == PL_Q5_1;
    if (dtype == PL_Q8_0) {
        return d * (float)(int8_t)block[2 + i];
    }
    const uint8_t *high = block + (has_m ? 4 : 2);
    const uint8_t *low = high + (five ? 4 : 0);
    int q = i < 16 ? low[i] & 15 : low[i - 16] >> 4;
    if (five) {
        q += (high[i / 8] >> (i % 8) & 1) * 16;
    }
    if (has_m) {
        float product = d * (float)q;
        return product + m;
    }
    return d * (float)(q - (five ? 16 : 8));
}

/* Random blocks; a quarter of the scales subnormal, a quarter tiny or zero. */
static void blocks_decode_to_the_last_bit(void **state)
{
    (void)state;
    enum { BLOCKS = 500 };
    pl_rng rng;
    pl_rng_init(&rng, 3);
    uint8_t *raw = malloc(BLOCKS * 34 + 1);
    float *out = malloc(BLOCKS * 32 * sizeof *out);
    assert_true(raw != NULL && out != NULL);
    for (pl_dtype dtype = PL_Q4_0; dtype <= PL_Q8_0; dtype++) {
        size_t size = pl_dtype_block_bytes(dtype);
        uint8_t *blocks = raw + 1; /* src needs no alignment */
        for (size_t i = 0; i < BLOCKS * size; i++) {
            blocks[i] = (uint8_t)pl_rng_next(&rng);
        }
        for (size_t b = 0; b < BLOCKS; b++) {
            uint8_t mask = b % 4 == 0 ? 0x83 : b % 4 == 1 ? 0x80 : 0xbf;
            blocks[b * size + 1] &= mask;
            blocks[b * size + 3] &= dtype == PL_Q4_1 || dtype == PL_Q5_1 ? mask : 0xff;
        }
        pl_dtype_decode(dtype, blocks, BLOCKS * 32, out);
        for (unsigned i = 0; i < BLOCKS * 32; i++) {
            float expected = reference(dtype, blocks + i / 32 * size, i % 32);
            assert_int_equal(bits_of(out[i]), bits_of(expected));
        }
    }
    free(raw);
    free(out);
}

/* Random blocks with the scale 0.0123 and a subnormal minimum, and what dequantize of PyPI's gguf
 * makes of them (the bits of float32). */
static const struct {
    pl_dtype dtype;
    uint8_t block[34];
    uint32_t values[32];
} golden[] = {
    {PL_Q4_0,
     {0x4c, 0x22, 0xb8, 0xab, 0xee, 0xab, 0x14, 0xce, 0xf5, 0x99, 0xcc, 0x05, 0x25, 0x35, 0xd5,
      0xce, 0xc0, 0xad},
     {0x00000000, 0x3d172000, 0x3d972000, 0x3d172000, 0xbd498000, 0x3d972000, 0xbd172000,
      0x3c498000, 0x3d498000, 0xbd172000, 0xbd172000, 0xbd172000, 0xbd172000, 0x3d972000,
      0xbdc98000, 0x3d7be000, 0x3d172000, 0x3cc98000, 0x3d972000, 0x3cc98000, 0xbdb05000,
      0x3d498000, 0x3db05000, 0x3c498000, 0x3d498000, 0xbdc98000, 0xbd972000, 0xbd7be000,
      0x3d7be000, 0x3d498000, 0x3d498000, 0x3cc98000}},
    {PL_Q4_1,
     {0x4c, 0x22, 0x23, 0x81, 0x76, 0x04, 0x57, 0xa1, 0x7c, 0x47,
      0x2a, 0x49, 0xed, 0x10, 0xc2, 0xfa, 0x0a, 0x67, 0xce, 0x0d},
     {0x3d9716e8, 0x3d496dd0, 0x3db046e8, 0x3c493740, 0x3e171b74, 0x3db046e8, 0x3dfbd6e8,
      0x3de2a6e8, 0x3e23b374, 0xb7918000, 0x3cc95ba0, 0x3dfbd6e8, 0x3dfbd6e8, 0x3db046e8,
      0x3e304b74, 0x3e23b374, 0x3db046e8, 0xb7918000, 0x3d7bcdd0, 0x3dfbd6e8, 0x3db046e8,
      0x3d496dd0, 0x3cc95ba0, 0x3d496dd0, 0x3e304b74, 0x3c493740, 0x3e171b74, 0x3e3ce374,
      0xb7918000, 0x3d9716e8, 0x3e171b74, 0xb7918000}},
    {PL_Q5_0,
     {0x4c, 0x22, 0x26, 0x47, 0x85, 0x76, 0x24, 0x62, 0xc4, 0x23, 0x39,
      0x92, 0x32, 0xb3, 0x91, 0x68, 0xce, 0x35, 0x8d, 0x21, 0xb5, 0x27},
     {0xbe172000, 0x3cc98000, 0x3d498000, 0xbe23b800, 0xbdb05000, 0x3cc98000, 0xbe305000,
      0xbe23b800, 0x3c498000, 0x3dc98000, 0x3e305000, 0xbe0a8800, 0xbd172000, 0xbe3ce800,
      0x3d7be000, 0xbde2b000, 0x3cc98000, 0xbdfbe000, 0x3e172000, 0xbe305000, 0xbe23b800,
      0xbdb05000, 0xbe23b800, 0x3e0a8800, 0xbdb05000, 0x3d972000, 0x3e172000, 0xbe23b800,
      0x3dc98000, 0x3cc98000, 0x3e0a8800, 0xbe305000}},
    {PL_Q5_1,
     {0x4c, 0x22, 0x23, 0x81, 0xa5, 0x62, 0x7b, 0x0c, 0x90, 0xb8, 0x18, 0x26,
      0x81, 0x01, 0xca, 0xff, 0x55, 0x36, 0xe4, 0x30, 0x7f, 0xa9, 0x01, 0xa7},
     {0x3e497b74, 0x3dc976e8, 0x3e971dba, 0x3d9716e8, 0x3c493740, 0x3e561374, 0x3dfbd6e8,
      0x3ec331ba, 0x3d7bcdd0, 0x3e8a85ba, 0x3d496dd0, 0xb7918000, 0x3e3ce374, 0x3e9d69ba,
      0x3e561374, 0x3db046e8, 0x3e9d69ba, 0x3eaa01ba, 0x3c493740, 0x3e62ab74, 0x3e971dba,
      0x3e497b74, 0x3eb04dba, 0x3e3ce374, 0x3d7bcdd0, 0x3d170dd0, 0x3ebce5ba, 0x3e6f4374,
      0x3db046e8, 0x3dfbd6e8, 0xb7918000, 0x3dfbd6e8}},
    {PL_Q8_0,
     {0x4c, 0x22, 0x10, 0xc0, 0x4e, 0xdc, 0x08, 0x3c, 0xbd, 0xb5, 0x40, 0x48,
      0x08, 0xb9, 0x58, 0x6f, 0xbf, 0x8a, 0x63, 0x43, 0x30, 0x44, 0x64, 0xf9,
      0x43, 0x28, 0x7f, 0x2d, 0x21, 0x33, 0xce, 0xe5, 0xd9, 0x55},
     {0x3e498000, 0xbf498000, 0x3f759400, 0xbee2b000, 0x3dc98000, 0x3f3ce800, 0xbf52f200,
      0xbf6c2200, 0x3f498000, 0x3f62b000, 0x3dc98000, 0xbf5f8a00, 0x3f8a8800, 0x3faebd00,
      0xbf4ca600, 0xbfb9c200, 0x3f9bd900, 0x3f52f200, 0x3f172000, 0x3f561800, 0x3f9d6c00,
      0xbdb05000, 0x3f52f200, 0x3efbe000, 0x3fc7ed00, 0x3f0dae00, 0x3ecfcc00, 0x3f209200,
      0xbf1d6c00, 0xbeaa0400, 0xbef59400, 0x3f85cf00}},
    {PL_MXFP4, /* with the least scale there is */
     {0x00, 0xa8, 0xe5, 0xb8, 0xab, 0xee, 0xab, 0x14, 0xce, 0xf5, 0x99, 0xcc, 0x05, 0x25, 0x35,
      0xd5, 0xce},
     {0x00000000, 0x00c00000, 0x00000000, 0x80600000, 0x81000000, 0x80600000, 0x00800000,
      0x81000000, 0x00c00000, 0x80200000, 0x80800000, 0x00c00000, 0x00c00000, 0x00c00000,
      0x00c00000, 0x81000000, 0x80400000, 0x81000000, 0x80600000, 0x80400000, 0x81000000,
      0x80400000, 0x00200000, 0x80800000, 0x81400000, 0x80200000, 0x80800000, 0x00000000,
      0x00400000, 0x00600000, 0x80c00000, 0x80800000}},
    {PL_MXFP4,
     {0x7b, 0xed, 0x10, 0xc2, 0xfa, 0x0a, 0x67, 0xce, 0x0d, 0x8f, 0x02, 0x26, 0x47, 0x85, 0x76,
      0x24, 0x62},
     {0xbe400000, 0x00000000, 0x3d800000, 0xbd800000, 0xbd800000, 0x3ec00000, 0xbe800000,
      0xbe400000, 0xbec00000, 0x3d800000, 0x3e800000, 0x3ec00000, 0x3e400000, 0x3e800000,
      0x3e000000, 0x3d800000, 0xbe800000, 0x3d000000, 0xbe000000, 0xbec00000, 0x00000000,
      0x3e800000, 0xbe000000, 0x00000000, 0x00000000, 0x00000000, 0x3d800000, 0x3e000000,
      0x00000000, 0x3ec00000, 0x3d800000, 0x3e800000}},
};

static void golden_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        float out[32];
        pl_dtype_decode(golden[i].dtype, golden[i].block, 32, out);
        assert_memory_equal(out, golden[i].values, sizeof out);
    }
}

static void sizes_and_names(void **state)
{
    (void)state;
    size_t bytes = 0;
    assert_string_equal(pl_dtype_name(PL_Q5_1), "Q5_1");
    assert_string_equal(pl_dtype_name(PL_DTYPE_OTHER), "other");
    assert_true(pl_dtype_bytes(PL_Q4_1, 64, &bytes));
    assert_int_equal(bytes, 40);
    assert_false(pl_dtype_bytes(PL_Q4_1, 63, &bytes));
    assert_false(pl_dtype_bytes(PL_F32, SIZE_MAX / 2, &bytes));
    assert_false(pl_dtype_bytes(PL_DTYPE_OTHER, 0, &bytes));
    assert_true(pl_dtype_bytes(PL_BF16, 0, &bytes));
    assert_int_equal(bytes, 0);
    pl_dtype_decode(PL_F32, NULL, 0, NULL);
    pl_dtype_encode(PL_F16, NULL, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_decodes),
        cmocka_unit_test(f16_rounds_half_to_even),
        cmocka_unit_test(bf16_is_the_upper_half_rounded),
        cmocka_unit_test(blocks_decode_to_the_last_bit),
        cmocka_unit_test(golden_blocks),
        cmocka_unit_test(sizes_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
