/* Another checkpoint as the "after": what Planish exported must come back as what was solved. */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char methods[] = "method astro beta=3e-4; method gptq bits=3;";

/* planish --json -c SCRIPT with the exported folder's path for every %s (up to three). */
static run run_import(const char *format)
{
    char script[4096], folder[600];
    snprintf(folder, sizeof folder, "%s", run_path("quantized"));
    snprintf(script, sizeof script, format, folder, folder, folder);
    return run_demo(script);
}

static int setup(void **ctx)
{
    int failed = run_setup(ctx);
    char script[1024];
    snprintf(script, sizeof script, "%s solve all sequential=no; export dir=%s weights=rounded",
             methods, run_path("quantized"));
    run r = run_demo(script);
    failed |= r.status;
    run_free(&r);
    return failed;
}

static const json_t *layer_line(const json_t *result, size_t index)
{
    return json_array_get(json_object_get(result, "layers"), index);
}

static void test_an_export_comes_back(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "%s solve all sequential=no; perplexity which=after windows=4; layers", methods);
    run own = run_demo(script);
    run other = run_import("import after=%s; perplexity which=after windows=4; layers");
    const json_t *solved = run_result(&own, 2), *imported = run_result(&other, 0);
    run_check_keys(imported, "after layers missing same others_differ relative_error "
                             "group_max_before group_max_after id seconds");
    pl_check_close(run_number(imported, "layers"), 28, 0, 0);
    pl_check_close(run_number(imported, "missing"), 0, 0, 0);
    pl_check_close(run_number(imported, "same"), 0, 0, 0);
    pl_check_close(run_number(imported, "others_differ"), 0, 0, 0);
    /* The same weights but for their rounding to the checkpoint's F16. */
    pl_check_close(run_number(imported, "relative_error"),
                   run_number(solved, "rounded_relative_error"), 1e-4, 0);
    pl_check_close(run_number(imported, "group_max_before"), run_number(solved, "group_max_before"),
                   1e-12, 0);
    pl_check_close(run_number(run_result(&other, 1), "perplexity"),
                   run_number(run_result(&own, 3), "perplexity"), 1e-3, 0);
    pl_check_close(run_number(run_result(&other, 1), "kl_mean"),
                   run_number(run_result(&own, 3), "kl_mean"), 1e-2, 0);
    pl_check_close(run_number(run_result(&other, 1), "layers_solved"), 28, 0, 0);
    assert_string_equal(
        json_string_value(json_object_get(layer_line(run_result(&own, 4), 7), "method")),
        "astro > gptq");
    assert_string_equal(
        json_string_value(json_object_get(layer_line(run_result(&other, 2), 7), "method")),
        "import");
    run_free(&own);
    run_free(&other);
}

/* tr(D G D^T) in float64. */
static double trace(const float *a, const float *b, const float *gram, size_t rows, size_t n)
{
    double sum = 0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            double x = (double)a[r * n + i] - (b != NULL ? (double)b[r * n + i] : 0);
            for (size_t j = 0; j < n; j++) {
                double y = (double)a[r * n + j] - (b != NULL ? (double)b[r * n + j] : 0);
                sum += x * (double)gram[i * n + j] * y;
            }
        }
    }
    return sum;
}

static void test_the_error_is_against_the_calibration(void **ctx)
{
    (void)ctx;
    enum { N = 144 };
    char script[4096], after[600], before[600], gram[600], demo[600];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(after, sizeof after, "%s", run_path("after.npy"));
    snprintf(before, sizeof before, "%s", run_path("before.npy"));
    snprintf(gram, sizeof gram, "%s", run_path("gram.npy"));
    snprintf(demo, sizeof demo, "%s/sessions/demo", root != NULL ? root : ".");
    snprintf(
        script, sizeof script,
        "open %s; import after=%s; solve 1.q_proj; calibrate text=%s/calibration.txt windows=3; "
        "solve 1.q_proj; dump weights 1.q_proj which=after file=%s; "
        "dump weights 1.q_proj file=%s; dump gram 1.q_proj file=%s",
        demo, run_path("quantized"), demo, after, before, gram);
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_check_keys(run_result(&r, 1), "relative_error? group_max_after");
    run_check_keys(run_result(&r, 2), "relative_error? bound? gap? group_max_after");
    run_check_keys(run_result(&r, 4), "relative_error bound? gap? rounded_relative_error?");
    float *w = run_read_npy("after.npy", N * N), *w0 = run_read_npy("before.npy", N * N);
    float *g = run_read_npy("gram.npy", N * N);
    pl_check_close(run_number(run_result(&r, 4), "relative_error"),
                   trace(w, w0, g, N, N) / trace(w0, NULL, g, N, N), 1e-6, 0);
    free(w);
    free(w0);
    free(g);
    run_free(&r);
}

static void test_a_method_takes_its_layers_back(void **ctx)
{
    (void)ctx;
    run r = run_import("import after=%s; method rtn bits=2 on=1.*; layers; solve 1.q_proj; layers; "
                       "method gptq; layers; import after=%s; import none; layers");
    assert_int_equal(r.status, 0);
    for (size_t i = 0; i < 28; i++) {
        bool second = i >= 7 && i < 14; /* block 1 */
        const json_t *method = json_object_get(layer_line(run_result(&r, 2), i), "method");
        assert_true(second ? json_is_null(method)
                           : strcmp(json_string_value(method), "import") == 0);
        assert_true(json_is_null(json_object_get(layer_line(run_result(&r, 6), i), "method")));
        assert_true(json_is_null(json_object_get(layer_line(run_result(&r, 9), i), "method")));
    }
    assert_string_equal(
        json_string_value(json_object_get(layer_line(run_result(&r, 4), 7), "method")), "rtn");
    pl_check_close(run_number(run_result(&r, 8), "removed"), 28, 0, 0);
    run_free(&r);
}

static void test_figures_and_rebuild(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "%s import after=%s; plot channels 1.q_proj dpi=60 file=%s; "
             "figure 1x2 'histogram 1.q_proj which=both' 'channels 2.down_proj which=after' dpi=60 "
             "file=%s caption=yes; plot basin 1.q_proj dpi=50 file=%s; "
             "plot groups 1.q_proj dpi=50 file=%s; plot box 1.q_proj dpi=50 file=%s",
             methods, run_path("quantized"), run_path("import.png"), run_path("import.pdf"),
             run_path("basin.png"), run_path("groups.png"), run_path("box.png"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(json_string_value(json_object_get(run_result(&r, 4), "caption")),
                           "The method is import of quantized."));
    run_free(&r);
    size_t size = 0;
    char *png = run_read(run_path("import.png"), &size);
    static const char line[] = "import model.layers.1.self_attn.q_proj after=quantized\n";
    assert_non_null(memmem(png, size, line, sizeof line - 1));
    free(png);
    static const char *const files[] = {"import.png", "import.pdf", "basin.png", "groups.png"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(script, sizeof script, "rebuild %s", run_path(files[i]));
        r = run_demo(script);
        assert_true(json_is_true(json_object_get(run_last(&r), "same")));
        run_free(&r);
    }
    assert_int_equal(rename(run_path("quantized"), run_path("elsewhere")), 0);
    snprintf(script, sizeof script, "rebuild %s", run_path("import.png"));
    r = run_demo(script);
    run_check_failed(&r, 1, "the imported checkpoint quantized is missing");
    run_free(&r);
    assert_int_equal(rename(run_path("elsewhere"), run_path("quantized")), 0);
}

static void test_sessions_and_export(void **ctx)
{
    (void)ctx;
    char script[1024], session[600];
    snprintf(session, sizeof session, "%s", run_path("import.planish"));
    snprintf(script, sizeof script, "import after=%s/; select 1.q_proj", run_path("quantized"));
    run r = RUN("--json", "--store", run_path("store"), "--session", session, "-c", script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    assert_int_equal(rename(run_path("quantized"), run_path("elsewhere")), 0);
    snprintf(script, sizeof script,
             "layers; export dir=%s weights=rounded; plot channels dpi=50 file=%s",
             run_path("again"), run_path("again.png"));
    r = RUN("--json", "--store", run_path("store"), "--session", session, "-c", script);
    assert_int_equal(r.status, 0); /* the store has the weights */
    assert_string_equal(
        json_string_value(json_object_get(layer_line(run_result(&r, 0), 7), "method")), "import");
    pl_check_close(run_number(run_result(&r, 1), "max_dtype_error"), 0, 0, 0);
    run_free(&r);
    assert_int_equal(rename(run_path("elsewhere"), run_path("quantized")), 0);
    size_t n = 0, m = 0;
    char *a = run_read(run_path("quantized/model.safetensors"), &n);
    char *b = run_read(run_path("again/model.safetensors"), &m);
    /* The same tensors; the headers say by which commands each was made. */
    uint64_t from_a = 0, from_b = 0;
    memcpy(&from_a, a, sizeof from_a);
    memcpy(&from_b, b, sizeof from_b);
    assert_int_equal(n - from_a, m - from_b);
    assert_memory_equal(a + 8 + from_a, b + 8 + from_b, n - 8 - from_a);
    free(a);
    free(b);
}

/* A GGUF's names and row order are its own: every layer must be found as it is. */
static void test_a_gguf_finds_its_own_layers(void **ctx)
{
    (void)ctx;
    const char *path = getenv("PLANISH_SMOLLM2");
    if (path == NULL || access(path, R_OK) != 0) {
        skip();
    }
    char script[2048];
    snprintf(script, sizeof script,
             "open %s; import 3.k_proj after=%s; import 29.down_proj after=%s", path, path, path);
    run r = run_demo(script);
    for (size_t i = 1; i <= 2; i++) {
        pl_check_close(run_number(run_result(&r, i), "layers"), 1, 0, 0);
        pl_check_close(run_number(run_result(&r, i), "same"), 1, 0, 0);
    }
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    run r = run_demo("import");
    run_check_failed(&r, 1, "import: needs after=CHECKPOINT");
    run_free(&r);
    r = run_demo("import after=no-such-folder");
    run_check_failed(&r, 1, "no-such-folder: there is no such file or folder");
    run_free(&r);
    r = run_import("import 9.q_proj after=%s");
    run_check_failed(&r, 1, "no layer '9.q_proj'");
    run_free(&r);
    r = run_import("import after=%s; select 1.q_proj; pin");
    run_check_failed(&r, 1, "pin: model.layers.1.self_attn.q_proj is imported");
    run_free(&r);
    r = run_import("import none after=%s");
    run_check_failed(&r, 1, "import none: takes no after=");
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_export_comes_back),
        cmocka_unit_test(test_the_error_is_against_the_calibration),
        cmocka_unit_test(test_a_method_takes_its_layers_back),
        cmocka_unit_test(test_figures_and_rebuild),
        cmocka_unit_test(test_sessions_and_export),
        cmocka_unit_test(test_a_gguf_finds_its_own_layers),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
