/* Number formats through the program: what follows them, what they refuse, their figure. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"

#include <stdlib.h>
#include <string.h>

static double parameter(const run *r, size_t line, const char *name)
{
    return run_number(json_object_get(run_result(r, line), "parameters"), name);
}

/* A preconditioner's group size follows the block where it is the usual one. */
static void test_group_size_follows(void **ctx)
{
    (void)ctx;
    run r =
        run_demo("method rtn format=nvfp4; method astro; method rtn; method astro group_size=64; "
                 "method rtn format=mxfp4; method magr; set format=nf4; method magr");
    pl_check_close(parameter(&r, 1, "group_size"), 16, 0, 0);
    pl_check_close(parameter(&r, 3, "group_size"), 64, 0, 0);
    pl_check_close(parameter(&r, 5, "group_size"), 32, 0, 0);
    pl_check_close(parameter(&r, 7, "group_size"), 64, 0, 0);
    run_free(&r);
    /* The given one stays, also where the figure's own commands make it again. */
    char script[700];
    snprintf(script, sizeof script,
             "method gptq format=mxfp4; method astro beta=3e-4 group_size=128; select 1.q_proj; "
             "solve; plot grid form=error file=%s; rebuild %s",
             run_path("grid.svg"), run_path("grid.svg"));
    r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
}

/* What W4A4KV8 in blocks costs is near what the weights alone do; each part costs something. */
static void test_perplexity(void **ctx)
{
    (void)ctx;
    run r = run_demo(
        "method none slot=precondition; method rtn format=nvfp4; solve all; "
        "perplexity which=after windows=1; activations format=nvfp4; solve all; "
        "perplexity which=after windows=1; activations format=nvfp4 range=tensor; solve all; "
        "perplexity which=after windows=1; kv format=mxfp4 scale_mode=rceil; solve all; "
        "perplexity which=after windows=1");
    assert_int_equal(r.status, 0);
    const double plain = run_number(run_result(&r, 3), "kl_mean");
    const double token = run_number(run_result(&r, 6), "kl_mean");
    const double tensor = run_number(run_result(&r, 9), "kl_mean");
    const double cache = run_number(run_result(&r, 12), "kl_mean");
    expect_less(0, plain);
    expect_less(plain, token);
    expect_less(plain, tensor);
    expect_less(tensor, cache);
    expect_less(cache, 0.2);
    const json_t *grid = json_object_get(run_result(&r, 4), "activations");
    assert_string_equal(json_string_value(json_object_get(grid, "format")), "nvfp4");
    assert_true(json_is_null(json_object_get(grid, "symmetric")));
    pl_check_close(run_number(grid, "group_size"), 16, 0, 0);
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const char *const cases[][2] = {
        {"activations format=nvfp4 bits=8",
         "activations: bits=8: format=nvfp4 has 4 bits: leave bits out, or choose another format"},
        {"kv format=mxfp8 group_size=16", "kv: group_size=16: format=mxfp8 has blocks of 32: leave "
                                          "group_size out, or choose another "
                                          "format"},
        {"activations format=mxfp4 scale_mode=amax",
         "activations: scale_mode=amax: format=mxfp4 has floor, even, ceil, rceil"},
        {"activations format=mxfp4 symmetric=no",
         "activations: symmetric= has a meaning only with format=int"},
        {"activations group_size=32 range=tensor",
         "activations: range=tensor: groups of 32 have a range each, expected range=token or "
         "group_size=0"},
        {"method none slot=round; plot grid 1.q_proj file=x.png",
         "grid: the slot round is empty: choose a rounder, e.g. `method rtn`"},
        {"activations bits=8; method rtn format=fp8 scale_mode=tensor; method flatquant steps=2; "
         "solve "
         "1.q_proj",
         "nothing is learned for scale_mode=tensor, whose scales many groups share: choose another "
         "scale_mode"},
        {"method rtn; set bits=3 format=nvfp4",
         "set: bits=3: what is set beside it makes it 4: leave one out"},
        {"activations format=fp8 scale_mode=tensor",
         "activations: scale_mode=tensor is of weights: expected amax, the range of each token, "
         "with range=tensor for one range of all tokens"},
        {"kv format=fp8 scale_mode=tensor",
         "kv: scale_mode=tensor is of weights: expected amax, the range of each head of a token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run r = run_demo(cases[i][0]);
        run_check_refused(&r, cases[i][0], cases[i][1]);
        run_free(&r);
    }
}

/* A transform is learned for any format, and for inputs in groups: with it a layer loses less than
 * without one and than behind a rotation. */
static void test_learned(void **ctx)
{
    (void)ctx;
    static const char *const grids[] = {
        "activations format=mxfp4; method rtn format=mxfp4",
        "activations format=nvfp4; method rtn format=nvfp4",
        "activations format=nf4; method rtn format=nf4",
        "activations bits=4 group_size=32; method rtn bits=4 group_size=32",
    };
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++) {
        char script[400];
        snprintf(script, sizeof script,
                 "%s; solve 1.q_proj; method hadamard; solve 1.q_proj; "
                 "method flatquant steps=120; solve 1.q_proj",
                 grids[i]);
        run r = run_demo(script);
        const double alone = run_number(run_result(&r, 2), "output_error");
        const double rotated = run_number(run_result(&r, 4), "output_error");
        const double learned = run_number(run_result(&r, 6), "output_error");
        expect_less(learned, 0.5 * alone);
        expect_less(learned, 0.5 * rotated);
        run_free(&r);
    }
}

/* On blocks, with the cache in the same format. */
static void test_learned_on_blocks(void **ctx)
{
    (void)ctx;
    static const char *const formats[] = {"mxfp4", "nvfp4"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char script[400];
        snprintf(script, sizeof script,
                 "calibrate windows=8; kv format=%s; activations format=%s; method rtn format=%s; "
                 "method flatquant scope=block steps=30; learn 1.q_proj",
                 formats[i], formats[i], formats[i]);
        run r = run_demo(script);
        const json_t *learned = run_last(&r);
        expect_less(run_number(learned, "loss"), 0.9 * run_number(learned, "loss_first"));
        run_free(&r);
    }
}

/* The figure is titled by the format, with its bits where they are its own. */
static void test_figure(void **ctx)
{
    (void)ctx;
    char script[500];
    snprintf(script, sizeof script,
             "method none slot=precondition; method rtn format=nvfp4; plot grid 1.q_proj file=%s; "
             "method rtn bits=8; plot grid 1.q_proj file=%s",
             run_path("nvfp4.csv"), run_path("int8.csv"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    char *text = NULL;
    size_t size = 0;
    pl_error err;
    pl_check_ok(pl_file_read_all(run_path("nvfp4.csv"), 1u << 20, &text, &size, &err), err);
    assert_non_null(strstr(text, "levels: 15"));
    assert_non_null(strstr(text, "saturated: "));
    free(text);
    pl_check_ok(pl_file_read_all(run_path("int8.csv"), 1u << 20, &text, &size, &err), err);
    assert_non_null(strstr(text, "levels: 256"));
    assert_non_null(strstr(text, "1.q_proj, int8")); /* the title says the bits */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_size_follows), cmocka_unit_test(test_perplexity),
        cmocka_unit_test(test_refusals),           cmocka_unit_test(test_learned),
        cmocka_unit_test(test_learned_on_blocks),  cmocka_unit_test(test_figure),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
