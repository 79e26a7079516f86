/* A rounder's format: what it brings, what it refuses, how it is written. */
#include "core/method/method.h"

#include "tests/support/check.h"

#include <math.h>
#include <string.h>

static pl_spec rounder(const char *name)
{
    return pl_spec_default(pl_method_find(name));
}

static void set(pl_spec *spec, const char *key, const char *text)
{
    pl_error err;
    pl_check_ok(pl_spec_set(spec, key, text, &err), err);
}

static void check_value_refused(const pl_spec *spec, const char *key, const char *text,
                                const char *sentence)
{
    pl_error err;
    pl_spec copy = *spec;
    assert_int_equal(pl_spec_set(&copy, key, text, &err), PL_ERR_USAGE);
    assert_string_equal(err.message, sentence);
    assert_true(pl_spec_equal(&copy, spec));
}

static void check_text(const pl_spec *spec, const char *expected)
{
    pl_buf text = {0};
    pl_spec_format(spec, &text);
    assert_string_equal(text.data, expected);
    pl_buf_deinit(&text);
}

static void test_a_format_brings_its_own(void **ctx)
{
    (void)ctx;
    pl_spec spec = rounder("rtn");
    check_text(&spec, "rtn bits=4 group_size=128 symmetric=yes mse=no scale_dtype=f16");
    set(&spec, "bits", "3");
    set(&spec, "format", "nvfp4");
    check_text(&spec, "rtn format=nvfp4 bits=4 group_size=16 mse=no scale_mode=amax");
    set(&spec, "scale_mode", "four_over_six");
    set(&spec, "format", "nvfp4"); /* the same again: nothing is taken anew */
    check_text(&spec, "rtn format=nvfp4 bits=4 group_size=16 mse=no scale_mode=four_over_six");
    pl_grid grid = pl_spec_grid(&spec);
    assert_ptr_equal(grid.format, &pl_format_nvfp4);
    assert_int_equal(grid.bits, 4);
    assert_int_equal(grid.group_size, 16);
    assert_int_equal(grid.scale_mode, PL_SCALE_FOUR_OVER_SIX);
    set(&spec, "format", "mxfp8");
    check_text(&spec, "rtn format=mxfp8 bits=8 group_size=32 mse=no scale_mode=floor");
    set(&spec, "format", "nf4");
    set(&spec, "group_size", "128");
    check_text(&spec, "rtn format=nf4 bits=4 group_size=128 mse=no scale_dtype=f32");
    const pl_spec usual = pl_spec_usual(&spec);
    check_text(&usual, "rtn format=nf4 bits=4 group_size=64 mse=no scale_dtype=f32");
    set(&spec, "format", "int");
    check_text(&spec, "rtn bits=4 group_size=128 symmetric=yes mse=no scale_dtype=f16");
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    pl_spec spec = rounder("gptq");
    check_value_refused(
        &spec, "scale_mode", "rceil",
        "method: scale_mode of gptq has a meaning only with format=mxfp4 or mxfp6_e2m3 or "
        "mxfp6_e3m2 or mxfp8 or nvfp4 or fp8");
    set(&spec, "format", "mxfp4");
    set(&spec, "bits", "4");
    set(&spec, "group_size", "32");
    check_value_refused(
        &spec, "bits", "3",
        "method gptq: bits=3: format=mxfp4 has 4 bits: leave bits out, or choose another format");
    check_value_refused(
        &spec, "group_size", "128",
        "method gptq: group_size=128: format=mxfp4 has blocks of 32: leave group_size out, or "
        "choose another format");
    check_value_refused(&spec, "symmetric", "no",
                        "method: symmetric of gptq has a meaning only with format=int");
    check_value_refused(
        &spec, "scale_dtype", "f32",
        "method: scale_dtype of gptq has a meaning only with format=int or fp8 or nf4");
    check_value_refused(
        &spec, "scale_mode", "tensor",
        "method gptq: scale_mode=tensor: format=mxfp4 has floor, even, ceil, rceil");
    set(&spec, "format", "fp8");
    check_value_refused(
        &spec, "group_size", "64",
        "method gptq: group_size=64: format=fp8 has no blocks, expected 0, a scale for each row "
        "(scale_mode=tensor: for all)");
    set(&spec, "format", "nf4");
    check_value_refused(
        &spec, "group_size", "48",
        "method gptq: group_size=48: format=nf4 has blocks of a power of two from 32 to 4096");
}

/* 3 x 80 weights: 5 blocks of 16, 3 of 32 (one short), 2 of 64. */
static void test_bits_per_weight(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *format, *scale_mode;
        double bits;
    } cases[] = {
        {"mxfp4", "floor", 4 + 8 * 3 / 80.0}, {"mxfp6_e3m2", "even", 6 + 8 * 3 / 80.0},
        {"mxfp8", "rceil", 8 + 8 * 3 / 80.0}, {"nvfp4", "amax", 4 + 8 * 5 / 80.0 + 32 / 240.0},
        {"fp8", "amax", 8 + 32 / 80.0},       {"fp8", "tensor", 8 + 32 / 240.0},
        {"nf4", NULL, 4 + 32 * 2 / 80.0},     {"fp8", "block", 8 + 32 / 240.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_spec spec = rounder("rtn");
        set(&spec, "format", cases[i].format);
        if (cases[i].scale_mode != NULL) {
            set(&spec, "scale_mode", cases[i].scale_mode);
        }
        const pl_grid grid = pl_spec_grid(&spec);
        pl_check_close(pl_grid_bits_per_weight(&grid, 3, 80), cases[i].bits, 1e-12, 0);
    }
}

/* E4M3 of x, the nearest by trying all; the even code of two as near. */
static int nearest_e4m3(double x)
{
    int best = 0;
    double least = INFINITY;
    for (int code = 0; code < 127; code++) {
        const int e = code >> 3, m = code & 7;
        const double value = e == 0 ? ldexp(m, -9) : ldexp(8 + m, e - 10);
        const double lost = fabs(fabs(x) - value);
        if (lost < least || (!(lost > least) && code % 2 == 0)) {
            least = lost;
            best = code;
        }
    }
    return signbit(x) ? best | 128 : best;
}

/* 150 x 200 weights: blocks of 128 and 22 rows by 128 and 72 columns, max|w| / 448 each; also of a
 * solver that updates what it has not rounded, and of one that takes its columns out of order. */
static void test_scales_by_blocks(void **ctx)
{
    (void)ctx;
    enum { ROWS = 150, COLS = 200, SIDE = 128 };
    static float w[ROWS * COLS], gram[COLS * COLS];
    static const char *const rounders[][2] = {{"rtn", NULL}, {"gptq", "no"}, {"gptq", "yes"}};
    pl_error err;
    for (size_t i = 0; i < ROWS * COLS; i++) {
        w[i] = (float)(sin(0.37 * (double)i) * (1.0 + 30.0 * (double)(i % 997 == 0)));
    }
    for (size_t i = 0; i < COLS * COLS; i++) {
        gram[i] = i / COLS == i % COLS ? 1.0f + (float)(i % 7) : 0.1f;
    }
    pl_factors *factors = NULL;
    pl_check_ok(pl_factors_create(&(pl_sym){.n = COLS, .square = gram}, 400, "s", &factors, &err),
                err);
    for (size_t k = 0; k < sizeof rounders / sizeof rounders[0]; k++) {
        pl_spec spec = rounder(rounders[k][0]);
        pl_qweights q;
        pl_method_report report;
        set(&spec, "format", "fp8");
        set(&spec, "scale_mode", "block");
        if (rounders[k][1] != NULL) {
            set(&spec, "act_order", rounders[k][1]);
        }
        const pl_layer_input in = {.layer = "l", .factors = factors, .w = {w, ROWS, COLS, COLS}};
        pl_check_ok(spec.method->round(&spec, &in, &q, &report, NULL, &err), err);
        assert_int_equal(q.groups, 2);
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t c = 0; c < COLS; c++) {
                const size_t top = r / SIDE * SIDE, left = c / SIDE * SIDE;
                float most = 0.0f;
                for (size_t y = top; c % SIDE == 0 && y < ROWS && y < top + SIDE; y++) {
                    for (size_t x = left; x < COLS && x < left + SIDE; x++) {
                        most = fmaxf(most, fabsf(w[y * COLS + x]));
                    }
                }
                const float scale = q.scales[r * 2 + q.group_of[c]];
                assert_int_equal(q.group_of[c], c / SIDE);
                assert_true(c % SIDE != 0 || !(fabsf(scale - most / 448.0f) > 0.0f));
                if (k == 0) {
                    const float x = w[r * COLS + c] / scale;
                    assert_int_equal(q.codes[r * COLS + c], nearest_e4m3((double)x));
                }
            }
        }
        pl_qweights_deinit(&q);
    }
    pl_factors_destroy(factors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_format_brings_its_own),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bits_per_weight),
        cmocka_unit_test(test_scales_by_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
