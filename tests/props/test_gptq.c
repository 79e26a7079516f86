/* GPTQ against RTN: the same on a diagonal Gram matrix, better on a correlated one. */
#include "core/method/method.h"
#include "core/tensor/linalg.h"

#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    expect_close(report.own[0], 0.01, 0); /* damping_used */
    assert_string_equal(spec.method->reported[0].name, "damping_used");
    pl_qweights_decode(&q, a);
    pl_qweights_deinit(&q);
    round_with("rtn", "4", "no", f, w, b);
    expect_less(ref_output_error(g, N, ROWS, w, a), ref_output_error(g, N, ROWS, w, b));
    pl_factors_destroy(f);
}

/* refine= never raises the error, sweep by sweep, whatever it follows; at its end no weight alone
 * can be moved for the better. */
static double followed_error(const float *g, const float *d, const float *w, const float *q,
                             double share)
{
    double sum = 0.0;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < N; i++) {
            double left = 0.0;
            for (size_t k = 0; k < N; k++) {
                left += ((double)w[r * N + k] - (double)q[r * N + k]) * (double)g[k * N + i] +
                        2.0 * share * (double)w[r * N + k] * (double)d[k * N + i];
            }
            sum += left * ((double)w[r * N + i] - (double)q[r * N + i]);
        }
    }
    return sum;
}

static void refine_never_raises_the_error(void **state)
{
    (void)state;
    static float g[N * N], d[N * N], w[ROWS * N], rounded[ROWS * N];
    const char *const methods[] = {"rtn", "gptq", "gptaq", "qronos"};
    const double shares[] = {0.0, 0.0, 0.25, 1.0};
    for (size_t m = 0; m < 4; m++) {
        pl_error err;
        pl_factors *f = NULL;
        ref_gram(m + 40, N, 300, 2.0, g);
        ref_weights(m, ROWS * N, w);
        for (size_t i = 0; i < N * N; i++) { /* what X0 - X and X may have: some share of both */
            d[i] = 0.1f * g[i] * (float)(i / N % 3);
        }
        pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = g}, 300, "site", &f, &err), err);
        float *cross = malloc(sizeof d);
        assert_non_null(cross);
        memcpy(cross, d, sizeof d);
        pl_check_ok(pl_factors_set_cross(f, cross, &err), err);
        double last = INFINITY, first = 0.0;
        for (int sweeps = 0; sweeps < 4; sweeps++) {
            pl_spec spec = pl_spec_default(pl_method_find(methods[m]));
            spec.values[PL_GRID_BITS] = 3;
            spec.values[PL_GRID_GROUP_SIZE] = 48;
            spec.values[PL_GRID_FORMAT] = (double)(m % 2 * 2);
            spec.values[PL_GRID_REFINE] = sweeps == 3 ? 100 : sweeps;
            pl_qweights q;
            pl_method_report report;
            const pl_layer_input in = {.layer = "layer", .factors = f, .w = {w, ROWS, N, N}};
            pl_check_ok(pl_round(&spec, &in, &q, &report, NULL, &err), err);
            pl_qweights_decode(&q, rounded);
            const double error = followed_error(g, d, w, rounded, shares[m]);
            expect_at_most(error, last + 1e-12 * fabs(last));
            first = sweeps == 0 ? error : first;
            last = error;
            if (sweeps == 3) {
                expect_less(error, first);
                for (size_t i = 0; i < ROWS * N; i += 61) {
                    for (int step = -1; step <= 1; step += 2) {
                        const size_t group = i / N * q.groups + q.group_of[i % N];
                        const pl_grid_param p = {q.scales[group], q.zeros[group]};
                        const float was = rounded[i];
                        rounded[i] = pl_grid_value(&q.grid, p, q.codes[i] + step);
                        const bool there =
                            pl_grid_code(&q.grid, p, rounded[i]) == q.codes[i] + step;
                        expect_at_most(there ? last - 1e-9 * fabs(last) : 0.0,
                                       there ? followed_error(g, d, w, rounded, shares[m]) : 0.0);
                        rounded[i] = was;
                    }
                }
            }
            pl_qweights_deinit(&q);
        }
        pl_factors_destroy(f);
    }
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
        cmocka_unit_test(refine_never_raises_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
