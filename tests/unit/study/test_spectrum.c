#include "core/study/spectrum.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"
#include "tests/support/demo_lab.h"
#include "tests/support/eigenvalues.h"

#include <math.h>

static void load(demo_lab *d, size_t layer, pl_spectrum *out)
{
    pl_error err;
    pl_id key = {0};
    pl_check_ok(pl_lab_calibration(demo_context(d), &key, &err), err);
    size_t site = pl_model_layer(d->state.source->model, layer)->site;
    pl_check_ok(pl_spectrum_load(demo_context(d), key, site, out, &err), err);
}

static void test_against_lapack(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_spectrum s;
    pl_site_stats stats;
    pl_id key = {0};
    demo_lab_init(&d);
    load(&d, DEMO_Q1, &s);
    pl_check_ok(pl_lab_calibration(demo_context(&d), &key, &err), err);
    size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    pl_check_ok(pl_lab_load_site(demo_context(&d), key, site, PL_GRAM_SQUARE, false, &stats, &err),
                err);
    const size_t n = stats.n;
    double *g = pl_alloc(n * n, sizeof *g), *values = pl_alloc(n, sizeof *values), trace = 0;
    assert_true(g != NULL && values != NULL);
    for (size_t i = 0; i < n * n; i++) {
        g[i] = (double)stats.gram[i];
        trace += i % (n + 1) == 0 ? g[i] : 0;
    }
    pl_check_ok(lapack_eigenvalues(g, n, values, &err), err);
    assert_int_equal(s.n, n);
    size_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        pl_check_close(s.values[i], values[n - 1 - i], 0, 1e-12 * values[n - 1]);
        rank += values[i] > 1e-4 * values[n - 1];
    }
    assert_int_equal(s.eps_rank, rank);
    expect_less(0, rank);
    expect_less(rank, n);
    pl_check_close(s.mean_diag, trace / (double)n, 1e-10, 0);
    assert_int_equal(s.ends, PL_SPECTRUM_ENDS);
    /* The last vector is the flat direction: v^T G v is the last value. */
    const double *v = s.vectors + (2 * s.ends - 1) * n;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            sum += v[i] * (double)stats.gram[i * n + j] * v[j];
        }
    }
    pl_check_close(sum, values[0], 0, 1e-10 * values[n - 1]);
    free(g);
    free(values);
    pl_site_stats_deinit(&stats);
    pl_spectrum_deinit(&s);
    demo_lab_deinit(&d);
}

static int turns;

static void count_turns(void *ctx)
{
    (void)ctx;
    turns++;
}

/* The second time nothing is computed, also by a program that is started again. */
static void test_found_in_the_store(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_spectrum first, second;
    pl_id key = {0};
    pl_task task = {.give_way = count_turns};
    demo_lab_init(&d);
    load(&d, DEMO_Q1, &first);
    pl_check_ok(pl_lab_calibration(demo_context(&d), &key, &err), err);
    demo_lab_restart(&d);
    size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    turns = 0;
    pl_check_ok(pl_spectrum_load((pl_context){d.lab, &d.state, &task}, key, site, &second, &err),
                err);
    assert_int_equal(turns, 0);
    assert_memory_equal(first.values, second.values, first.n * sizeof(double));
    assert_memory_equal(first.vectors, second.vectors, 2 * first.ends * first.n * sizeof(double));
    pl_spectrum_deinit(&first);
    pl_spectrum_deinit(&second);
    demo_lab_deinit(&d);
}

static void test_over_the_memory_limit(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_spectrum s;
    pl_id key = {0};
    demo_lab_init(&d);
    pl_check_ok(pl_lab_calibration(demo_context(&d), &key, &err), err);
    pl_lab_destroy(d.lab);
    pl_lab_options options = {.store = d.store, .memory_limit = 100000};
    pl_check_ok(pl_lab_create(&options, &d.lab, &err), err);
    assert_int_equal(pl_spectrum_load(demo_context(&d), key, 4, &s, &err), PL_ERR_MEMORY);
    pl_check_says(err, "model.layers.1.qkv: a spectrum of 144 channels needs 0 MB");
    assert_null(s.values);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_lapack),
        cmocka_unit_test(test_found_in_the_store),
        cmocka_unit_test(test_over_the_memory_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
