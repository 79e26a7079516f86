/* Matrices and their inputs in place of a model: the demo's own, dumped, must give the demo's
 * numbers to the last bit. */
#include "tests/e2e/run_planish.h"
#include "tests/support/matrices.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char methods[] = "method astro beta=3e-4; method gptq bits=3;";

/* planish --json -c SCRIPT with %s of the format as the paths of W.npy and X.npy. */
static run run_dump(const char *format)
{
    char script[4096];
    snprintf(script, sizeof script, format, run_path("W.npy"), run_path("X.npy"));
    return RUN("--json", "--store", run_path("store"), "-c", script);
}

static int setup(void **ctx)
{
    int failed = run_setup(ctx);
    char script[2048];
    /* Two windows are no more rows than the sample keeps. */
    snprintf(script, sizeof script,
             "calibrate windows=2; dump weights 1.q_proj file=%s; dump inputs 1.q_proj file=%s",
             run_path("W.npy"), run_path("X.npy"));
    run r = run_demo(script);
    failed |= r.status;
    run_free(&r);
    return failed;
}

static void check_same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    assert_non_null(x);
    assert_non_null(y);
    if (!json_equal(x, y)) {
        fail_msg("%s differs", key);
    }
}

static void test_a_dump_gives_the_models_numbers(void **ctx)
{
    (void)ctx;
    static const char *const numbers[] = {"objective",
                                          "gap",
                                          "iterations",
                                          "relative_error",
                                          "rounded_relative_error",
                                          "bound",
                                          "group_max_before",
                                          "group_max_after",
                                          "ridge",
                                          "damping_used"};
    char script[1024];
    snprintf(script, sizeof script,
             "calibrate windows=2; %s outliers 1.q_proj; outliers 1.q_proj side=weight; "
             "solve 1.q_proj",
             methods);
    run whole = run_demo(script);
    snprintf(script, sizeof script,
             "open %%s inputs=%%s; %s outliers; outliers side=weight; solve; layers", methods);
    run dump = run_dump(script);
    assert_int_equal(whole.status, 0);
    assert_int_equal(dump.status, 0);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        check_same(run_result(&whole, 5), run_result(&dump, 5), numbers[i]);
    }
    for (size_t side = 3; side < 5; side++) {
        const json_t *a = json_object_get(run_result(&whole, side), "channels");
        const json_t *b = json_object_get(run_result(&dump, side), "channels");
        assert_int_equal(json_array_size(a), 8);
        assert_int_equal(json_array_size(b), 8);
        for (size_t i = 0; i < 8; i++) {
            check_same(json_array_get(a, i), json_array_get(b, i), "channel");
            check_same(json_array_get(a, i), json_array_get(b, i), "max");
            check_same(json_array_get(a, i), json_array_get(b, i), "rms");
            check_same(json_array_get(a, i), json_array_get(b, i), "token_position");
            run_check_keys(json_array_get(b, i), "token_id? token?");
        }
    }
    const json_t *layer = json_array_get(json_object_get(run_result(&dump, 6), "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(layer, "name")), "W");
    run_check_keys(layer, "rows cols weight_max weight_ratio input_ratio");
    run_free(&whole);
    run_free(&dump);
}

static void test_info_says_what_it_is(void **ctx)
{
    (void)ctx;
    run r = run_dump("open %s inputs=%s; info");
    const json_t *info = run_last(&r);
    run_check_keys(info, "architecture blocks? hidden_size? vocab_size? layers layers_with_inputs "
                         "parameters file_bytes seconds");
    assert_string_equal(json_string_value(json_object_get(info, "architecture")), "matrices");
    pl_check_close(run_number(info, "layers_with_inputs"), 1, 0, 0);
    pl_check_close(run_number(info, "parameters"), 144 * 144, 0, 0);
    run_free(&r);
}

static void test_what_needs_a_forward_pass_is_refused(void **ctx)
{
    (void)ctx;
    static const char *const commands[] = {"perplexity text=x", "probe 'a b'", "calibrate text=x",
                                           "massive", "solve all sequential=yes"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char script[256];
        snprintf(script, sizeof script, "open %%s inputs=%%s; method gptq; %s", commands[i]);
        run r = run_dump(script);
        run_check_failed(&r, 1, "needs a forward pass, and W.npy holds matrices");
        run_free(&r);
    }
    run r = run_dump("open %s inputs=%s; plot channels_by_block file=x.png");
    run_check_failed(&r, 1, "channels_by_block: no layer of W.npy reads the residual stream");
    run_free(&r);
    r = run_dump("open %s inputs=%s; tokenize text=x");
    run_check_failed(&r, 1, "W.npy holds matrices: it has no tokenizer");
    run_free(&r);
}

static void test_weights_alone(void **ctx)
{
    (void)ctx;
    run r = run_dump("open %s; layers; method rtn bits=3; solve; solve all");
    const json_t *layer = json_array_get(json_object_get(run_result(&r, 1), "layers"), 0);
    run_check_keys(layer, "weight_max weight_ratio input_ratio?");
    run_check_keys(run_result(&r, 3),
                   "objective? relative_error? rounded_relative_error? bound? group_max_before");
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = run_dump("open %s; method gptq; solve");
    run_check_failed(&r, 1, "W: this needs its inputs: open W.npy with inputs=");
    run_free(&r);
    r = run_dump("open %s; method astro; solve all");
    run_check_failed(&r, 1, "W: this needs its inputs");
    run_free(&r);
    r = run_dump("open %s; outliers");
    run_check_failed(&r, 1, "W.npy was opened without inputs, which this needs");
    run_free(&r);
}

/* Every kind of figure, and the same bytes again from what two of them say of themselves. */
static void test_figures(void **ctx)
{
    (void)ctx;
    static const char *const kinds[] = {"channels",
                                        "channels side=input",
                                        "channels form=fan",
                                        "histogram",
                                        "layers",
                                        "layers form=strip",
                                        "layers side=input",
                                        "layers form=strip side=input",
                                        "box",
                                        "tokens",
                                        "groups",
                                        "spectrum",
                                        "basin",
                                        "sweep",
                                        "outliers side=input"};
    char script[4096];
    size_t used =
        (size_t)snprintf(script, sizeof script,
                         "open %%s inputs=%%s; %s solve; sweep beta=1e-4:1e-3:log3;", methods);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "dump%zu.png", i);
        used += (size_t)snprintf(script + used, sizeof script - used, "plot %s dpi=50 file=%s;",
                                 kinds[i], run_path(name));
    }
    snprintf(script + used, sizeof script - used, "rebuild %s; rebuild %s", run_path("dump0.png"),
             run_path("dump9.png"));
    run r = run_dump(script);
    assert_int_equal(r.status, 0);
    for (size_t i = 1; i <= 2; i++) {
        assert_true(json_is_true(json_object_get(run_result(&r, r.n_lines - i), "same")));
    }
    run_free(&r);
    /* Without its inputs, or with others, the model is another one. */
    snprintf(script, sizeof script, "open %%s; rebuild %s", run_path("dump0.png"));
    r = run_dump(script);
    run_check_failed(&r, 1, "shows the model W.npy");
    run_free(&r);
}

/* Names and dtypes are the file's, values those of `dump weights which=after`. */
static void test_export_keeps_names_and_dtypes(void **ctx)
{
    (void)ctx;
    char weights[600], inputs[600], script[4096];
    snprintf(weights, sizeof weights, "%s", run_path("layers.safetensors"));
    snprintf(inputs, sizeof inputs, "%s", run_path("inputs.safetensors"));
    PL_WRITE_MATRICES(weights, {"b.2.fc.weight", 12, 16, 1, PL_BF16},
                      {"b.2.fc.bias", 12, 0, 2, PL_F32}, {"b.10.fc.weight", 8, 16, 3, PL_F32},
                      {"head", 5, 6, 4, PL_F16});
    PL_WRITE_MATRICES(inputs, {"b.2.fc.input", 64, 16, 5, PL_F32}, {"b.10.fc", 64, 16, 6, PL_F32});
    run_write(run_path("config.txt"), "not this file's companion");
    snprintf(script, sizeof script,
             "open %s inputs=%s; method gptq bits=4; solve all; "
             "export dir=%s weights=rounded partial=yes; dump weights 2.fc which=after file=%s; "
             "open %s; dump weights 2.fc file=%s; layers",
             weights, inputs, run_path("out"), run_path("a.npy"),
             run_path("out/layers.safetensors"), run_path("b.npy"));
    run r = RUN("--json", "--store", run_path("store"), "-c", script);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err, "1 of 3 weights (head) have no inputs in inputs.safetensors"));
    assert_non_null(strstr(r.err, "1 layer without inputs (head) stay as they are"));
    run_check_keys(run_result(&r, 3), "files bytes max_dtype_error");
    pl_check_close(run_number(run_result(&r, 3), "files"), 1, 0, 0);
    const json_t *list = json_object_get(run_result(&r, 7), "layers");
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "name")),
                        "b.10.fc");
    size_t n = 0, m = 0;
    char *header = run_read(run_path("out/layers.safetensors"), &n);
    assert_non_null(
        memmem(header, n, "\"b.2.fc.weight\":{\"dtype\":\"BF16\",\"shape\":[12,16]", 47));
    assert_non_null(memmem(header, n, "\"head\":{\"dtype\":\"F16\"", 21));
    free(header);
    /* What was written is the solved weight, rounded to BF16. */
    char *a = run_read(run_path("a.npy"), &n);
    char *b = run_read(run_path("b.npy"), &m);
    assert_int_equal(n, m);
    for (size_t at = n - 12 * 16 * 4; at < n; at += 4) {
        float x, y;
        memcpy(&x, a + at, 4);
        memcpy(&y, b + at, 4);
        pl_check_close(y, x, 4e-3, 0);
    }
    free(a);
    free(b);
    run_free(&r);
}

static void test_a_session_opens_it_again(void **ctx)
{
    (void)ctx;
    char session[600], script[2048];
    snprintf(session, sizeof session, "%s", run_path("dump.planish"));
    snprintf(script, sizeof script, "open %s inputs=%s; %s solve", run_path("W.npy"),
             run_path("X.npy"), methods);
    run r = RUN("--json", "--store", run_path("store"), "--session", session, "-c", script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    snprintf(script, sizeof script, "info; outliers top=1; plot channels dpi=50 file=%s",
             run_path("again.png"));
    r = RUN("--json", "--store", run_path("store"), "--session", session, "-c", script);
    pl_check_close(run_number(run_result(&r, 0), "layers_with_inputs"), 1, 0, 0);
    assert_int_equal(r.status, 0);
    run_free(&r);
    size_t size = 0;
    char *png = run_read(run_path("again.png"), &size);
    assert_non_null(memmem(png, size, "open W.npy inputs=X.npy\n", 24));
    free(png);
}

/* float32 tensors W and X of one file each: the identity, and uniform in [0, 1). */
static void write_matrix(const char *path, const char *name, const float *x, size_t rows, size_t n)
{
    pl_error err;
    const uint64_t dims[] = {rows, n};
    const pl_st_entry entry = {.name = name, .dtype = PL_F32, .n_dims = 2, .dims = dims};
    pl_st_writer *writer = NULL;
    pl_check_ok(pl_st_writer_create(path, &entry, NULL, 1, NULL, &writer, &err), err);
    pl_check_ok(pl_st_writer_put(writer, x, rows * n, NULL, &err), err);
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
}

/* Q of methods.md 1 for all of x at once, in float64: what is lost of its energy. */
static double lost_to_one_range(const float *x, size_t count, bool asymmetric, int bits)
{
    double lo = 0.0, hi = 0.0, lost = 0.0, energy = 0.0;
    for (size_t i = 0; i < count; i++) {
        lo = fmin(lo, (double)x[i]);
        hi = fmax(hi, (double)x[i]);
    }
    const double levels = asymmetric ? pow(2, bits) - 1 : pow(2, bits - 1) - 1;
    const double scale = (asymmetric ? hi - lo : fmax(hi, -lo)) / levels;
    for (size_t i = 0; i < count; i++) { /* nothing is outside the range, so nothing is clamped */
        const double off = (double)x[i] - scale * rint((double)x[i] / scale);
        lost += off * off;
        energy += (double)x[i] * (double)x[i];
    }
    return lost / energy;
}

/* One range for all tokens is [min, max] where there is a zero point, of one-sided inputs too. */
static void test_one_range_for_all_tokens(void **ctx)
{
    (void)ctx;
    enum { T = 1024, CHANNELS = 64 };
    char w_path[600], x_path[600], script[2048];
    float *w = calloc(CHANNELS * CHANNELS, sizeof *w), *x = calloc(T * CHANNELS, sizeof *x);
    assert_true(w != NULL && x != NULL);
    for (size_t i = 0; i < CHANNELS; i++) {
        w[i * CHANNELS + i] = 1.0f;
    }
    for (size_t i = 0; i < T * CHANNELS; i++) {
        x[i] = (float)((double)(i * 2654435761u % 1000003u) / 1000003.0);
    }
    snprintf(w_path, sizeof w_path, "%s", run_path("eye.safetensors"));
    snprintf(x_path, sizeof x_path, "%s", run_path("uniform.safetensors"));
    write_matrix(w_path, "W", w, CHANNELS, CHANNELS);
    write_matrix(x_path, "W", x, T, CHANNELS);
    snprintf(script, sizeof script,
             "open %s inputs=%s; method rtn bits=8 group_size=0 scale_dtype=f32; "
             "activations bits=4 symmetric=no range=tensor; solve; "
             "activations bits=4 symmetric=yes range=tensor; solve",
             w_path, x_path);
    run r = RUN("--json", "--store", run_path("store"), "-c", script);
    assert_int_equal(r.status, 0);
    const double asymmetric = run_number(run_result(&r, 3), "output_error");
    const double symmetric = run_number(run_result(&r, 5), "output_error");
    pl_check_close(asymmetric, lost_to_one_range(x, T * CHANNELS, true, 4), 1e-3, 0);
    pl_check_close(symmetric, lost_to_one_range(x, T * CHANNELS, false, 4), 1e-3, 0);
    pl_check_close(asymmetric, 1.0 / (12 * 15 * 15) * 3, 2e-2, 0); /* step^2 / 12 over E x^2 */
    run_free(&r);
    free(w);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dump_gives_the_models_numbers),
        cmocka_unit_test(test_info_says_what_it_is),
        cmocka_unit_test(test_what_needs_a_forward_pass_is_refused),
        cmocka_unit_test(test_weights_alone),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_export_keeps_names_and_dtypes),
        cmocka_unit_test(test_a_session_opens_it_again),
        cmocka_unit_test(test_one_range_for_all_tokens),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
