#include "core/tensor/eigen.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/linalg.h"
#include "tests/support/check.h"
#include "tests/support/eigenvalues.h"

#include <math.h>
#include <stdlib.h>

/* X^T X / T of Gaussian X[rows, n] whose columns are scaled by exp(spread * normal). */
static float *random_gram(size_t n, size_t rows, double spread, uint64_t seed)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    float *x = pl_alloc(rows * n, sizeof *x), *g = pl_alloc(n * n, sizeof *g);
    assert_true(x != NULL && g != NULL);
    for (size_t j = 0; j < n; j++) {
        double scale = exp(spread * pl_rng_normal(&rng)) / sqrt((double)rows);
        for (size_t i = 0; i < rows; i++) {
            x[i * n + j] = (float)(scale * pl_rng_normal(&rng));
        }
    }
    memset(g, 0, n * n * sizeof *g);
    pl_syrk_upper(n, rows, x, n, g, n);
    pl_symmetrize(n, g);
    free(x);
    return g;
}

/* || G v - lambda v || for a unit row v. */
static double residual(const float *g, size_t n, const double *v, double lambda)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double product = -lambda * v[i];
        for (size_t j = 0; j < n; j++) {
            product += (double)g[i * n + j] * v[j];
        }
        sum += product * product;
    }
    return sqrt(sum);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Values against LAPACK's, vectors by their residuals and their right angles; frees g. */
static void check(float *g, size_t n, size_t top, size_t tail)
{
    pl_error err;
    pl_eigen e;
    double *a = pl_alloc(n * n, sizeof *a), *values = pl_alloc(n, sizeof *values);
    assert_true(a != NULL && values != NULL);
    for (size_t i = 0; i < n * n; i++) {
        a[i] = (double)g[i];
    }
    pl_check_ok(lapack_eigenvalues(a, n, values, &err), err);
    pl_check_ok(pl_eigen_symmetric(&(pl_sym){.n = n, .square = g}, top, tail, &e, NULL, &err), err);
    const double size = fmax(fabs(values[n - 1]), fabs(values[0]));
    for (size_t i = 0; i < n; i++) {
        pl_check_close(e.values[i], values[n - 1 - i], 0, 1e-13 * size);
        if (i > 0) {
            expect_at_most(e.values[i], e.values[i - 1] + 1e-14 * size);
        }
    }
    for (size_t i = 0; i < top + tail; i++) {
        const double *v = e.vectors + i * n;
        double lambda = e.values[i < top ? i : n - top - tail + i];
        pl_check_close(residual(g, n, v, lambda), 0, 0, 1e-12 * size);
        for (size_t j = 0; j <= i; j++) {
            pl_check_close(dot(v, e.vectors + j * n, n), i == j ? 1 : 0, 0, 1e-7);
        }
    }
    pl_eigen_deinit(&e);
    assert_null(e.values);
    free(a);
    free(values);
    free(g);
}

static void gram_matrices(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 16, 33, 65, 200};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t n = sizes[i], few = n > 8 ? 3 : n / 2;
        check(random_gram(n, 2 * n, 0, i), n, few, few);
        check(random_gram(n, 2 * n, 1.5, i), n, few, few);
    }
}

static void a_flat_tail(void **state)
{
    (void)state;
    check(random_gram(120, 40, 0.5, 7), 120, 4, 0);
    check(random_gram(700, 800, 1, 8), 700, 2, 2);
}

/* A channel that is never active leaves a row and a column of zeros: the tail's direction. */
static void dead_channels(void **state)
{
    (void)state;
    const size_t n = 60;
    float *g = random_gram(n, 2 * n, 0, 3);
    for (size_t i = 0; i < n; i++) {
        g[17 * n + i] = g[i * n + 17] = 0;
    }
    pl_eigen e;
    pl_error err;
    pl_check_ok(pl_eigen_symmetric(&(pl_sym){.n = n, .square = g}, 1, 1, &e, NULL, &err), err);
    pl_check_close(e.values[n - 1], 0, 0, 1e-14);
    pl_check_close(e.vectors[n + 17], 1, 1e-9, 0);
    pl_eigen_deinit(&e);
    check(g, n, 2, 2);
}

static void easy_and_empty_ones(void **state)
{
    (void)state;
    const size_t n = 40;
    float *diagonal = calloc(n * n, sizeof *diagonal), *zero = calloc(n * n, sizeof *zero);
    assert_true(diagonal != NULL && zero != NULL);
    for (size_t i = 0; i < n; i++) {
        diagonal[i * n + i] = (float)((i * 7) % n) - 11.0f; /* negative ones, too */
    }
    check(diagonal, n, 2, 2);
    pl_eigen e;
    pl_error err;
    pl_check_ok(pl_eigen_symmetric(&(pl_sym){.n = n, .square = zero}, 0, 0, &e, NULL, &err), err);
    for (size_t i = 0; i < n; i++) {
        pl_check_close(e.values[i], 0, 0, 1e-300);
    }
    pl_eigen_deinit(&e);
    zero[5 * n + 3] = zero[3 * n + 5] = NAN;
    assert_int_equal(pl_eigen_symmetric(&(pl_sym){.n = n, .square = zero}, 0, 0, &e, NULL, &err),
                     PL_ERR_NUMERIC);
    pl_check_says(err, "row 3, column 5 is not finite");
    assert_null(e.values);
    free(zero);
    pl_check_ok(pl_eigen_symmetric(&(pl_sym){0}, 0, 0, &e, NULL, &err), err);
}

static int turns;

static void cancel_late(void *ctx)
{
    pl_task *task = ctx;
    if (++turns == 100) {
        atomic_store(&task->cancel, true);
    }
}

/* A tick a column: whoever waits is asked for often, and a cancel ends it at once. */
static void it_ticks_and_stops(void **state)
{
    (void)state;
    const size_t n = 150;
    float *g = random_gram(n, 2 * n, 0, 1);
    pl_task task = {.give_way = cancel_late};
    task.ctx = &task;
    pl_eigen e;
    pl_error err;
    turns = 0;
    assert_int_equal(pl_eigen_symmetric(&(pl_sym){.n = n, .square = g}, 1, 1, &e, &task, &err),
                     PL_ERR_CANCELLED);
    assert_int_equal(turns, 100);
    assert_null(e.values);
    assert_null(e.vectors);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gram_matrices),      cmocka_unit_test(a_flat_tail),
        cmocka_unit_test(dead_channels),      cmocka_unit_test(easy_and_empty_ones),
        cmocka_unit_test(it_ticks_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
