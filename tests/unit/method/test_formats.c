/* A rounder's format: what it brings, what it refuses, how it is written. */
#include "core/method/method.h"

#include "tests/support/check.h"

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
        {"nf4", NULL, 4 + 32 * 2 / 80.0},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_format_brings_its_own),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bits_per_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
