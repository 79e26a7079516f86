/* GPTQ against RTN: the same on a diagonal Gram matrix, better on a correlated one. */
#include "core/method/method.h"
#include "core/tensor/linalg.h"

#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <stdlib.h>

enum { N = 200, ROWS = 8 };

static void round_with(const char *name, const char *bits, const char *mse, pl_factors *factors,
                       const float *w, float *out)
{
    pl_error err;
    pl_spec spec = pl_spec_default(pl_method_find(name));
    pl_check_ok(pl_spec_set(&spec, "bits", bits, &err), err);
    pl_check_ok(pl_spec_set(&spec, "mse", mse, &err), err);
    pl_check_ok(pl_spec_set(&spec, "group_size", "48", &err), err);
    pl_qweights q;
    pl_method_report report;
    const pl_layer_input in = {.layer = "layer", .factors = factors, .w = {w, ROWS, N, N}};
    pl_check_ok(spec.method->round(&spec, &in, &q, &report, NULL, &err), err);
    pl_qweights_decode(&q, out);
    pl_qweights_deinit(&q);
}

static void diagonal_gram(void **state)
{
    (void)state;
    pl_error err;
    static float g[N * N], w[ROWS * N], a[ROWS * N], b[ROWS * N];
    for (size_t i = 0; i < N; i++) {
        g[i * N + i] = (float)(i % 7 + 1);
    }
    pl_factors *f = NULL;
    pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = g}, 1000, "site", &f, &err), err);
    ref_weights(1, ROWS * N, w);
    const char *const bits[] = {"2", "3", "4", "8"};
    for (size_t i = 0; i < 4; i++) {
        round_with("gptq", bits[i], i % 2 ? "yes" : "no", f, w, a);
        round_with("rtn", bits[i], i % 2 ? "yes" : "no", f, w, b);
        assert_memory_equal(a, b, sizeof a);
    }
    pl_factors_destroy(f);
}

static void correlated_gram(void **state)
{
    (void)state;
    pl_error err;
    static float g[N * N], w[ROWS * N], a[ROWS * N], b[ROWS * N];
    const char *const bits[] = {"2", "3", "4"};
    for (uint64_t seed = 0; seed < 3; seed++) {
        ref_gram(seed + 20, N, 400, (double)seed, g);
        ref_weights(seed, ROWS * N, w);
        pl_factors *f = NULL;
        pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = g}, 400, "site", &f, &err), err);
        for (size_t i = 0; i < 3; i++) {
            round_with("gptq", bits[i], "no", f, w, a);
            round_with("rtn", bits[i], "no", f, w, b);
            const double gptq = ref_output_error(g, N, ROWS, w, a);
            expect_less(0.0, gptq);
            expect_less(gptq, ref_output_error(g, N, ROWS, w, b));
        }
        pl_factors_destroy(f);
    }
}

/* A Gram matrix of rank 30 plus rounding: GPTQ works, and reports the damping it took. */
static void nearly_singular_gram(void **state)
{
    (void)state;
    pl_error err;
    static float g[N * N], w[ROWS * N], a[ROWS * N], b[ROWS * N];
    ref_gram(9, N, 30, 2.0, g);
    ref_weights(9, ROWS * N, w);
    pl_factors *f = NULL;
    pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = g}, 30, "site", &f, &err), err);
    pl_spec spec = pl_spec_default(pl_method_find("gptq"));
    pl_check_ok(pl_spec_set(&spec, "damping", "0", &err), err);
    pl_qweights q;
    pl_method_report report;
    const pl_layer_input in = {.layer = "layer", .factors = f, .w = {w, ROWS, N, N}};
    pl_check_ok(spec.method->round(&spec, &in, &q, &report, NULL, &err), err);
    assert_true(report.own[0] == 0.01); /* damping_used */
    assert_string_equal(spec.method->reported[0].name, "damping_used");
    pl_qweights_decode(&q, a);
    pl_qweights_deinit(&q);
    round_with("rtn", "4", "no", f, w, b);
    expect_less(ref_output_error(g, N, ROWS, w, a), ref_output_error(g, N, ROWS, w, b));
    pl_factors_destroy(f);
}

int main(void)
{
    pl_error err;
    if (pl_linalg_set_threads(2, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diagonal_gram),
        cmocka_unit_test(correlated_gram),
        cmocka_unit_test(nearly_singular_gram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
