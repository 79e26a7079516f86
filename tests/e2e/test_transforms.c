/* Transforms and quantized activations through the program: functions kept, errors that hold in
 * the original coordinates, perplexity of W, A and KV. */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>

static const char *const transforms[] = {"smoothquant alpha=0.85",     "awq",        "hadamard",
                                         "hadamard block=16",          "orthogonal", "quarot",
                                         "flatquant steps=20 rows=256"};
enum { TRANSFORMS = sizeof transforms / sizeof *transforms };

static void test_function_is_kept(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < TRANSFORMS; i++) {
        char script[512];
        snprintf(script, sizeof script, "method rtn bits=8; method %s; solve all", transforms[i]);
        run r = run_demo(script);
        const json_t *all = run_last(&r);
        run_check_keys(all, "function_error condition output_error flatness_before flatness_after");
        expect_less(0, run_number(all, "function_error"));
        expect_less(run_number(all, "function_error"), 1e-4);
        expect_at_most(1, run_number(all, "condition"));
        expect_less(run_number(all, "output_error"), 1e-2);
        run_free(&r);
    }
}

/* tr(A G A^T) for A[rows, n] in float64. */
static double energy(const float *a, const float *minus, const float *g, size_t rows, size_t n)
{
    double sum = 0.0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            const double d = (double)a[r * n + i] - (minus != NULL ? (double)minus[r * n + i] : 0);
            double moved = 0.0;
            for (size_t j = 0; j < n; j++) {
                moved += (double)g[i * n + j] *
                         ((double)a[r * n + j] - (minus != NULL ? (double)minus[r * n + j] : 0));
            }
            sum += d * moved;
        }
    }
    return sum;
}

/* What is read back in the original coordinates has the error that the solve measured in the
 * transform's own, and lies on no grid there. */
static void test_weights_come_back(void **ctx)
{
    (void)ctx;
    enum { N = 144 };
    for (size_t i = 0; i < TRANSFORMS; i++) {
        char script[2048];
        snprintf(script, sizeof script,
                 "select 1.q_proj; method %s; method astro; method gptq bits=3; solve; "
                 "dump gram file='%s'; dump weights file='%s'; dump weights which=after file='%s'",
                 transforms[i], run_path("g.npy"), run_path("w0.npy"), run_path("w.npy"));
        run r = run_demo(script);
        assert_int_equal(r.status, 0);
        const json_t *solved = run_result(&r, 4);
        float *g = run_read_npy("g.npy", N * N), *w0 = run_read_npy("w0.npy", N * N);
        float *w = run_read_npy("w.npy", N * N);
        pl_check_close(energy(w0, w, g, N, N) / energy(w0, NULL, g, N, N),
                       run_number(solved, "rounded_relative_error"), 1e-3, 0);
        free(g);
        free(w0);
        free(w);
        run_free(&r);
    }
}

static void test_without_a_transform(void **ctx)
{
    (void)ctx;
    run r = run_demo("select 1.q_proj; method rtn bits=4; solve; method hadamard; "
                     "method none slot=round; solve; perplexity which=after windows=2");
    const json_t *plain = run_result(&r, 2), *alone = run_result(&r, 5);
    expect_close(run_number(plain, "function_error"), 0.0, 0);
    expect_close(run_number(plain, "condition"), 1.0, 0);
    /* The stored rows are a sample of the tokens behind the Gram matrix. */
    pl_check_close(run_number(plain, "output_error"), run_number(plain, "rounded_relative_error"),
                   0.2, 0);
    expect_less(run_number(alone, "output_error"), 1e-9);
    expect_less(run_number(run_result(&r, 6), "kl_mean"), 1e-6);
    run_free(&r);
}

static double perplexity_of(const run *r, size_t line)
{
    return run_number(run_result(r, line), "perplexity");
}

static void test_activations_and_cache(void **ctx)
{
    (void)ctx;
    run r = run_demo("perplexity windows=4; activations bits=8; perplexity which=after windows=4; "
                     "activations bits=4; perplexity which=after windows=4; method hadamard; "
                     "perplexity which=after windows=4; activations none; kv bits=8; "
                     "perplexity which=after windows=4; kv bits=3 group_size=16 symmetric=no; "
                     "perplexity which=after windows=4");
    const double before = perplexity_of(&r, 0);
    const double a8 = perplexity_of(&r, 2), a4 = perplexity_of(&r, 4);
    pl_check_close(a8, before, 2e-3, 0);
    expect_less(before * 1.05, a4);
    expect_less(perplexity_of(&r, 6), before + 0.5 * (a4 - before));
    pl_check_close(perplexity_of(&r, 9), before, 1e-3, 0);
    expect_less(perplexity_of(&r, 9), perplexity_of(&r, 11));
    const json_t *said = json_object_get(run_result(&r, 4), "activations");
    pl_check_close(run_number(said, "bits"), 4, 0, 0);
    assert_true(json_is_null(json_object_get(run_result(&r, 4), "kv")));
    pl_check_close(run_number(run_result(&r, 4), "layers_quantized"), 0, 0, 0);
    run_free(&r);
    r = run_demo("method rtn on=*.q_proj; solve all; perplexity which=after windows=2; "
                 "method none slot=round; method astro; solve 1.q_proj; "
                 "perplexity which=after windows=2");
    pl_check_close(run_number(run_result(&r, 2), "layers_quantized"), 4, 0, 0);
    pl_check_close(run_number(run_result(&r, 6), "layers_solved"), 1, 0, 0);
    pl_check_close(run_number(run_result(&r, 6), "layers_quantized"), 0, 0, 0);
    run_free(&r);
    r = run_demo("activations none; kv none; perplexity which=after");
    run_check_failed(&r, 1, "no layer is solved");
    run_free(&r);
    r = run_demo("activations range=tensor bits=8; perplexity which=after windows=4");
    pl_check_close(perplexity_of(&r, 1), before, 5e-2, 0);
    run_free(&r);
}

static void test_rows_are_kept(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "calibrate rows=50; dump inputs 1.q_proj file='%s'; calibrate; "
             "dump inputs 1.q_proj file='%s'",
             run_path("few.npy"), run_path("many.npy"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    size_t few = 0, many = 0;
    free(run_read(run_path("few.npy"), &few));
    free(run_read(run_path("many.npy"), &many));
    assert_int_equal((many - few) % (144 * sizeof(float)), 0);
    assert_int_equal((many - few) / (144 * sizeof(float)), 1024 - 50);
}

static void test_cost(void **ctx)
{
    (void)ctx;
    run r = run_demo("select 1.q_proj; method smoothquant; cost; method hadamard; cost; "
                     "cost 1.down_proj; method orthogonal; cost");
    run_check_keys(run_result(&r, 2), "layer transform folds online flops_per_token bytes "
                                      "share_of_layers seconds_per_token");
    assert_true(json_is_false(json_object_get(run_result(&r, 2), "online")));
    pl_check_close(run_number(run_result(&r, 2), "flops_per_token"), 0, 0, 0);
    /* 144 = 36 x 2^2: two stages of butterflies, then 36 by 36. */
    pl_check_close(run_number(run_result(&r, 4), "flops_per_token"), 144 * 2 + 2 * 144 * 36, 0, 0);
    expect_less(0, run_number(run_result(&r, 4), "seconds_per_token"));
    pl_check_close(run_number(run_result(&r, 7), "flops_per_token"), 2 * 144 * 144, 0, 0);
    pl_check_close(run_number(run_result(&r, 7), "bytes"), 4 * 144 * 144, 0, 0);
    run_free(&r);
    r = run_demo("cost 1.q_proj");
    run_check_failed(&r, 1, "no transform is set");
    run_free(&r);
}

/* QuaRot's Hadamard matrix across the demo's 6 heads, in 3 blocks of 2: 144 additions and as many
 * multiplications a token, which `heads=no` and `online=no` leave out.  It evens out the outliers
 * of 0.o_proj's input, so that W4A4 loses less of its output, and the model keeps its perplexity.
 */
static void test_heads(void **ctx)
{
    (void)ctx;
    run r = run_demo("method quarot; cost 0.o_proj; method quarot heads=no; cost 0.o_proj");
    pl_check_close(run_number(run_result(&r, 1), "flops_per_token"), 144 * 2, 0, 0);
    assert_true(json_is_true(json_object_get(run_result(&r, 1), "online")));
    assert_non_null(
        strstr(json_string_value(json_object_get(run_result(&r, 1), "transform")), "across heads"));
    pl_check_close(run_number(run_result(&r, 3), "flops_per_token"), 0, 0, 0);
    assert_true(json_is_false(json_object_get(run_result(&r, 3), "online")));
    run_free(&r);
    /* Keys for a quantized cache, and the queries with them: 6 + 2 heads of 24 = 12 x 2^1. */
    r = run_demo("method quarot; cost 1.q_proj; kv bits=4; cost 1.q_proj; method quarot online=no; "
                 "cost 1.q_proj");
    assert_true(json_is_false(json_object_get(run_result(&r, 1), "online")));
    assert_true(json_is_true(json_object_get(run_result(&r, 3), "online")));
    pl_check_close(run_number(run_result(&r, 3), "flops_per_token"), 8 * (24 + 2 * 24 * 12), 0, 0);
    expect_less(0, run_number(run_result(&r, 3), "seconds_per_token"));
    pl_check_close(run_number(run_result(&r, 5), "flops_per_token"), 0, 0, 0);
    run_free(&r);
    r = run_demo("activations bits=4; method rtn bits=4; method quarot heads=no; solve 0.o_proj; "
                 "method quarot; solve 0.o_proj; solve all; perplexity which=after windows=4");
    const json_t *apart = run_result(&r, 3), *across = run_result(&r, 5);
    expect_less(run_number(across, "output_error"), 0.9 * run_number(apart, "output_error"));
    expect_less(run_number(json_object_get(across, "kurtosis_after"), "input"),
                0.8 * run_number(json_object_get(apart, "kurtosis_after"), "input"));
    expect_less(run_number(across, "function_error"), 1e-4);
    expect_less(run_number(run_result(&r, 7), "kl_mean"), 0.02);
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } bad[] = {
        {"method hadamard on=*.q_proj; solve 1.q_proj", "share one input and so one transform"},
        {"method awq; solve 1.q_proj", "choose one, e.g. `method rtn`"},
        {"method hadamard block=48; method rtn; solve 1.down_proj",
         "method hadamard block=48, model.layers.1.down: blocks of 48 channels"},
        {"method quarot; method rtn; solve all; export dir=nowhere fold=yes", "online=no"},
        {"activations bits=1", "bits"},
        {"activations clip=0", "clip"},
        {"activations off", "expected none"},
        {"kv none bits=4", "takes no keys"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        run r = run_demo(bad[i].script);
        run_check_failed(&r, r.status == 2 ? 2 : 1, bad[i].says);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_function_is_kept),
        cmocka_unit_test(test_weights_come_back),
        cmocka_unit_test(test_without_a_transform),
        cmocka_unit_test(test_activations_and_cache),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_rows_are_kept),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
