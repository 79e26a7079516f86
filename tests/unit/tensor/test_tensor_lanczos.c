#include "core/tensor/linalg.h"
#include "core/tensor/sym.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "tests/support/check.h"
#include "tests/support/eigenvalues.h"

#include <math.h>
#include <stdlib.h>

/* Checks pl_lambda_max against LAPACK's whole spectrum; frees g. */
static void check_against_lapack(float *g, size_t n)
{
    pl_error err;
    double *a = pl_alloc(n * n, sizeof *a), *values = pl_alloc(n, sizeof *values);
    double found = 0;
    assert_true(a != NULL && values != NULL);
    for (size_t i = 0; i < n * n; i++) {
        a[i] = (double)g[i];
    }
    pl_check_ok(lapack_eigenvalues(a, n, values, &err), err);
    pl_check_ok(pl_lambda_max(&(pl_sym){.n = n, .square = g}, &found, NULL, &err), err);
    pl_check_close(found, values[n - 1], 1e-6, 0);
    free(a);
    free(values);
    free(g);
}

/* X^T X / T of Gaussian X whose columns are scaled by exp(spread * normal). */
static float *random_gram(size_t n, double spread, uint64_t seed)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    float *x = pl_alloc(2 * n * n, sizeof *x), *g = pl_alloc(n * n, sizeof *g);
    assert_true(x != NULL && g != NULL);
    for (size_t j = 0; j < n; j++) {
        double scale = exp(spread * pl_rng_normal(&rng)) / sqrt(2.0 * (double)n);
        for (size_t i = 0; i < 2 * n; i++) {
            x[i * n + j] = (float)(scale * pl_rng_normal(&rng));
        }
    }
    memset(g, 0, n * n * sizeof *g);
    pl_syrk_upper(n, 2 * n, x, n, g, n);
    pl_symmetrize(n, g);
    free(x);
    return g;
}

static float *diagonal(size_t n, float (*value)(size_t i, size_t n))
{
    float *g = pl_alloc(n * n, sizeof *g);
    assert_non_null(g);
    memset(g, 0, n * n * sizeof *g);
    for (size_t i = 0; i < n; i++) {
        g[i * n + i] = value(i, n);
    }
    return g;
}

static void gram_matrices(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 17, 300};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_against_lapack(random_gram(sizes[i], 0, i), sizes[i]);
        check_against_lapack(random_gram(sizes[i], 1.5, i), sizes[i]);
    }
}

static float tiny(size_t i, size_t n)
{
    (void)i;
    (void)n;
    return 1e-30f;
}

static float clustered(size_t i, size_t n)
{
    return i < 3 ? 5.0f : 4.9999f * (float)i / (float)n;
}

static float flat(size_t i, size_t n)
{
    return 1.0f + 1e-3f * (float)i / (float)n;
}

static float negative(size_t i, size_t n)
{
    return -1.0f - (float)i / (float)n;
}

static float zero(size_t i, size_t n)
{
    (void)i;
    (void)n;
    return 0;
}

static void awkward_spectra(void **state)
{
    (void)state;
    check_against_lapack(diagonal(50, tiny), 50);
    check_against_lapack(diagonal(400, clustered), 400);
    check_against_lapack(diagonal(500, flat), 500);
    check_against_lapack(diagonal(40, negative), 40);
    check_against_lapack(diagonal(200, zero), 200);
}

static void refuses_a_nan(void **state)
{
    (void)state;
    pl_error err;
    float *g = random_gram(20, 0, 3);
    double found = 1;
    g[7] = NAN;
    assert_int_equal(pl_lambda_max(&(pl_sym){.n = 20, .square = g}, &found, NULL, &err),
                     PL_ERR_NUMERIC);
    pl_check_says(err, "not finite");
    expect_close(found, 0, 0);
    pl_task task = {0};
    atomic_store(&task.cancel, 1);
    g[7] = 0;
    assert_int_equal(pl_lambda_max(&(pl_sym){.n = 20, .square = g}, &found, &task, &err),
                     PL_ERR_CANCELLED);
    free(g);
    pl_check_ok(pl_lambda_max(&(pl_sym){.n = 0, .square = NULL}, &found, NULL, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gram_matrices),
        cmocka_unit_test(awkward_spectra),
        cmocka_unit_test(refuses_a_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
