#include "core/format/grid.h"

#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <string.h>

static pl_grid grid_of(int bits, const pl_format *format, pl_dtype dtype)
{
    return (pl_grid){.bits = bits, .group_size = 128, .format = format, .scale_dtype = dtype};
}

static void check_codes(const pl_grid *grid, const float *w, size_t count, float scale, int zero,
                        const int *codes)
{
    const pl_grid_param param = pl_grid_fit(grid, w, count, 1);
    expect_close(param.scale, scale, 0);
    assert_int_equal(param.zero, zero);
    int16_t found[16];
    pl_grid_codes(grid, param, w, count, found);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i], codes[i]);
        assert_int_equal(pl_grid_code(grid, param, w[i]), codes[i]);
        expect_close(pl_grid_value(grid, param, codes[i]), scale * (float)(codes[i] - zero), 0);
    }
}

/* Worked by hand from methods.md 1. */
static void golden(void **state)
{
    (void)state;
    const float w[6] = {-3.0f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f};
    pl_grid grid = grid_of(3, &pl_format_symmetric, PL_F32); /* s = 1: ties go to even */
    check_codes(&grid, w, 6, 1.0f, 0, (int[]){-3, -2, 0, 0, 2, 2});
    grid = grid_of(3, &pl_format_full, PL_F32); /* s = 6/7: 2.5 / s = 2.92 */
    check_codes(&grid, w, 6, 6.0f / 7.0f, 0, (int[]){-4, -2, -1, 1, 2, 3});
    const float a[4] = {-1.0f, 0.0f, 2.0f, 6.0f};
    grid = grid_of(3, &pl_format_asymmetric, PL_F32); /* s = 1, z = 1 */
    check_codes(&grid, a, 4, 1.0f, 1, (int[]){0, 1, 3, 7});
    const float positive[3] = {2.0f, 7.0f, 3.5f}; /* the range includes 0; 3.5 ties to 4 */
    check_codes(&grid, positive, 3, 1.0f, 0, (int[]){2, 7, 4});
    const float negative[2] = {-7.0f, -2.0f};
    check_codes(&grid, negative, 2, 1.0f, 7, (int[]){0, 5});
    const float zeros[3] = {0.0f, 0.0f, 0.0f};
    check_codes(&grid, zeros, 3, 1.0f, 0, (int[]){0, 0, 0});
    grid = grid_of(2, &pl_format_symmetric, PL_F16);
    check_codes(&grid, zeros, 3, 1.0f, 0, (int[]){0, 0, 0});
    const float two[3] = {1.0f, -1.0f, 0.4f};
    check_codes(&grid, two, 3, 1.0f, 0, (int[]){1, -1, 0});
}

/* 1/7 in each dtype, and scales that leave its range. */
static void scales_are_stored(void **state)
{
    (void)state;
    const float one = 1.0f, tiny = 1e-30f, huge = 3e38f, least = 1e-42f;
    pl_grid grid = grid_of(4, &pl_format_symmetric, PL_F32);
    expect_close(pl_grid_fit(&grid, &one, 1, 1).scale, 1.0f / 7.0f, 0);
    expect_less(0.0f, pl_grid_fit(&grid, &least, 1, 1).scale);
    grid.scale_dtype = PL_F16;
    expect_close(pl_grid_fit(&grid, &one, 1, 1).scale, 0x1.248p-3f, 0);
    expect_close(pl_grid_fit(&grid, &tiny, 1, 1).scale, 0x1p-24f, 0);
    expect_close(pl_grid_fit(&grid, &huge, 1, 1).scale, 65504.0f, 0);
    assert_int_equal(pl_grid_code(&grid, (pl_grid_param){65504.0f, 0}, huge), 7);
    assert_int_equal(pl_grid_code(&grid, (pl_grid_param){65504.0f, 0}, -huge), -8);
    grid.scale_dtype = PL_BF16;
    expect_close(pl_grid_fit(&grid, &one, 1, 1).scale, 0x1.24p-3f, 0);
}

static void matches_the_reference(void **state)
{
    (void)state;
    float w[77];
    const pl_dtype dtypes[] = {PL_F32, PL_F16, PL_BF16};
    for (int bits = 2; bits <= 8; bits++) {
        for (int s = 0; s < 9; s++) {
            const pl_grid grid = grid_of(bits, pl_format_at((size_t)(s / 3)), dtypes[s % 3]);
            ref_weights((uint64_t)(bits * 10 + s), 77, w);
            const pl_grid_param param = pl_grid_fit(&grid, w, 77, 1);
            const pl_grid_param expected = ref_fit(&grid, w, 77);
            expect_close(param.scale, expected.scale, 0);
            assert_int_equal(param.zero, expected.zero);
            for (size_t i = 0; i < 77; i++) {
                const int code = pl_grid_code(&grid, param, w[i]);
                const double steps = (double)w[i] / (double)param.scale;
                if (fabs(steps - floor(steps) - 0.5) > 1e-5) { /* float32 division near a tie */
                    assert_int_equal(code, ref_code(&grid, param, (double)w[i]));
                }
            }
        }
    }
}

static double range_error(const pl_grid *grid, pl_grid_param param, const float *w, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double value =
            (double)param.scale * (ref_code(grid, param, (double)w[i]) - param.zero);
        sum += pow(fabs((double)w[i] - value), 2.4);
    }
    return sum;
}

/* The search finds the least error of the 80 ranges, through any stride. */
static void range_search(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    float w[COUNT], wide[3 * COUNT] = {0};
    for (int trial = 0; trial < 9; trial++) {
        pl_grid grid = grid_of(2 + trial % 3, pl_format_at((size_t)(trial / 3)), PL_F32);
        ref_weights((uint64_t)(trial + 40), COUNT, w);
        w[5] *= 4.0f;
        double lo = 0.0, hi = 0.0, least = INFINITY;
        for (size_t i = 0; i < COUNT; i++) {
            wide[3 * i] = w[i];
            lo = fmin(lo, (double)w[i]);
            hi = fmax(hi, (double)w[i]);
        }
        for (int i = 0; i < 80; i++) {
            const float ends[2] = {(float)((1 - i / 100.0) * lo), (float)((1 - i / 100.0) * hi)};
            least = fmin(least, range_error(&grid, ref_fit(&grid, ends, 2), w, COUNT));
        }
        const double plain = range_error(&grid, pl_grid_fit(&grid, w, COUNT, 1), w, COUNT);
        grid.mse = true;
        const pl_grid_param found = pl_grid_fit(&grid, w, COUNT, 1);
        const double error = range_error(&grid, found, w, COUNT);
        expect_at_most(error, plain * (1.0 + 1e-5));
        pl_check_close(error, least, 1e-4, 0.0);
        const pl_grid_param strided = pl_grid_fit(&grid, wide, COUNT, 3);
        pl_check_close(range_error(&grid, strided, w, COUNT), least, 1e-4, 0.0);
    }
}

static void groups_and_bits(void **state)
{
    (void)state;
    pl_grid grid = grid_of(4, &pl_format_symmetric, PL_F16);
    assert_int_equal(pl_grid_groups(&grid, 576), 5);
    assert_int_equal(pl_grid_groups(&grid, 512), 4);
    assert_int_equal(pl_grid_groups(&grid, 5), 1);
    pl_check_close(pl_grid_bits_per_weight(&grid, 7, 576), 4.0 + 16.0 * 5.0 / 576.0, 1e-12, 0);
    grid.format = &pl_format_asymmetric;
    grid.scale_dtype = PL_F32;
    pl_check_close(pl_grid_bits_per_weight(&grid, 7, 512), 4.0 + 36.0 / 128.0, 1e-12, 0);
    grid.group_size = 0;
    assert_int_equal(pl_grid_groups(&grid, 576), 1);
}

static void decode(void **state)
{
    (void)state;
    pl_error err;
    pl_qweights q;
    const pl_grid grid = {.bits = 4, .group_size = 2, .format = &pl_format_asymmetric};
    pl_check_ok(pl_qweights_init(&q, &grid, 2, 3, &err), err);
    assert_int_equal(q.groups, 2);
    float out[6];
    pl_qweights_decode(&q, out);
    for (size_t i = 0; i < 6; i++) {
        expect_close(out[i], 0.0f, 0);
        q.codes[i] = (int16_t)(i + 1);
    }
    q.scales[3] = 0.5f; /* row 1, group 1 */
    q.zeros[3] = 2;
    q.group_of[0] = 1;
    pl_qweights_decode(&q, out);
    expect_close(out[3], 1.0f, 0);
    expect_close(out[4], 5.0f, 0);
    expect_close(out[5], 2.0f, 0);
    pl_qweights_deinit(&q);
    assert_null(q.codes);
}

/* A column in one go, against one weight at a time. */
static void columns(void **state)
{
    (void)state;
    enum { COUNT = 37 };
    float w[COUNT], scales[COUNT], zeros[COUNT], lost[COUNT];
    int16_t codes[COUNT];
    for (int s = 0; s < 2; s++) {
        const pl_grid grid =
            grid_of(3, s == 0 ? &pl_format_symmetric : &pl_format_asymmetric, PL_F16);
        for (int i = 0; i < COUNT; i++) {
            w[i] = sinf((float)(7 * i)) * (i % 9 == 0 ? 50.0f : 1.0f);
            scales[i] = 0.05f + 0.01f * (float)i;
            zeros[i] = s == 0 ? 0.0f : (float)(i % 8);
        }
        pl_grid_column(&grid, scales, zeros, w, COUNT, codes, lost);
        for (int i = 0; i < COUNT; i++) {
            const pl_grid_param param = {scales[i], (int)zeros[i]};
            assert_int_equal(codes[i], pl_grid_code(&grid, param, w[i]));
            expect_close(lost[i], w[i] - pl_grid_value(&grid, param, codes[i]), 0);
        }
    }
}

/* Elements are rounded without their codes: to the code's own value, to the bit, -0 and all, from
 * the smallest to the largest float32. */
static void rounding_is_the_codes(void **state)
{
    (void)state;
    enum { COUNT = 1 << 14 };
    static float x[COUNT], rounded[COUNT], lost[COUNT], same[COUNT], zeros[COUNT];
    static int16_t codes[COUNT];
    const float scales[] = {1.0f, 0.0625f, 0.3f, 7.7e-5f, 1e20f};
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t bits = i * 262147u; /* all signs and exponents */
        memcpy(&x[i], &bits, sizeof bits);
        x[i] = isfinite(x[i]) ? x[i] : (float)i;
    }
    for (size_t f = PL_SYMMETRIC_COUNT; f < PL_FORMAT_COUNT; f++) {
        const pl_format *format = pl_format_at(f);
        const pl_grid grid = {.bits = format->bits > 0 ? format->bits : 4, .format = format};
        for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
            const pl_grid_param param = {scales[s], 0};
            for (size_t i = 0; i < COUNT; i++) {
                same[i] = scales[s];
            }
            memcpy(rounded, x, sizeof x);
            format->round(grid.bits, param, rounded, COUNT);
            pl_grid_column(&grid, same, zeros, x, COUNT, codes, lost);
            for (size_t i = 0; i < COUNT; i++) {
                const int code = pl_grid_code(&grid, param, x[i]);
                const float expected = pl_grid_value(&grid, param, code);
                const float left = x[i] - expected;
                assert_int_equal(codes[i], code);
                assert_memory_equal(&rounded[i], &expected, sizeof expected);
                assert_memory_equal(&lost[i], &left, sizeof left);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(scales_are_stored),
        cmocka_unit_test(matches_the_reference),
        cmocka_unit_test(range_search),
        cmocka_unit_test(groups_and_bits),
        cmocka_unit_test(columns),
        cmocka_unit_test(rounding_is_the_codes),
        cmocka_unit_test(decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
