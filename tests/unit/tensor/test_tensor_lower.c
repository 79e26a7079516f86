/* Panelled triangles against the square routines of linalg.h, at one panel and at several. */
#include "core/tensor/lower.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/linalg.h"
#include "tests/support/check.h"

#include <math.h>
#include <string.h>

enum { ONE = 70, MANY = PL_LOWER_WHOLE + 77, RHS = 3 };

/* A + B Bᵀ / 4 with A diagonal: well-conditioned at every n, cheap to make. */
static double *make_matrix(size_t n)
{
    enum { K = 4 };
    double *b = pl_alloc(n * K, sizeof *b);
    double *a = pl_alloc(n * n, sizeof *a);
    assert_non_null(a);
    assert_non_null(b);
    pl_rng rng;
    pl_rng_init(&rng, n);
    for (size_t i = 0; i < n * K; i++) {
        b[i] = pl_rng_normal(&rng);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            a[i * n + j] = i == j ? 2.0 + (double)(i % 7) : 0.0;
            for (size_t k = 0; k < K; k++) {
                a[i * n + j] += 0.25 * b[i * K + k] * b[j * K + k];
            }
        }
    }
    free(b);
    return a;
}

static pl_lower *lower_of(const double *a, size_t n)
{
    pl_lower *l = pl_lower_create(n);
    assert_non_null(l);
    for (size_t i = 0; i < n; i++) {
        memcpy(pl_lower_row(l, i), a + i * n, (i + 1) * sizeof *a);
    }
    return l;
}

static pl_lower *factor_of(const double *a, size_t n)
{
    pl_error err;
    bool positive = false;
    size_t column = 0;
    pl_lower *l = lower_of(a, n);
    pl_check_ok(pl_lower_cholesky(l, &positive, &column, NULL, &err), err);
    assert_true(positive);
    return l;
}

static void check_factor(size_t n)
{
    double *square = make_matrix(n);
    pl_lower *l = factor_of(square, n);
    double *b = pl_alloc(2 * RHS * n, sizeof *b);
    size_t column = 0;
    assert_non_null(b);
    assert_true(pl_cholesky(square, n, &column));
    for (size_t i = 0; i < n; i += 13) {
        for (size_t j = 0; j <= i; j++) {
            pl_check_close(pl_lower_row(l, i)[j], square[i * n + j], 1e-9, 1e-12);
        }
    }
    for (int mode = 0; mode < 2; mode++) {
        for (size_t i = 0; i < RHS * n; i++) {
            b[i] = b[RHS * n + i] = sin((double)(i + 1));
        }
        if (mode == 0) {
            pl_lower_solve(l, b, RHS);
            pl_solve_lower(square, n, b + RHS * n, RHS);
        } else {
            pl_lower_mul(l, b, RHS);
            pl_mul_lower(square, n, b + RHS * n, RHS);
        }
        for (size_t i = 0; i < RHS * n; i++) {
            pl_check_close(b[i], b[RHS * n + i], 1e-9, 1e-11);
        }
    }
    free(b);
    pl_lower_destroy(l);
    free(square);
}

static void factors(void **state)
{
    (void)state;
    check_factor(1);
    check_factor(ONE);
    check_factor(MANY);
}

/* scale A^-1 from the factor, and J L^-1 J. */
static void check_inverse(size_t n)
{
    pl_error err;
    double *a = make_matrix(n);
    float *out = pl_alloc(n * n, sizeof *out);
    double *column = pl_alloc(n, sizeof *column);
    assert_non_null(out);
    assert_non_null(column);
    pl_check_ok(pl_lower_inverse(factor_of(a, n), 3.0, out, NULL, &err), err);
    for (size_t i = 0; i < n; i += n / 5 + 1) { /* rows of A A^-1 */
        memset(column, 0, n * sizeof *column);
        for (size_t k = 0; k < n; k++) {
            for (size_t j = 0; j < n; j++) {
                column[j] += a[i * n + k] * (double)out[k * n + j];
            }
        }
        for (size_t j = 0; j < n; j++) {
            pl_check_close(column[j], i == j ? 3.0 : 0.0, 1e-4, 1e-4);
            pl_check_close((double)out[i * n + j], (double)out[j * n + i], 0, 0);
        }
    }
    pl_lower *l = factor_of(a, n);
    pl_lower *kept = factor_of(a, n);
    pl_check_ok(pl_lower_invert(l, NULL, &err), err);
    pl_lower_reverse(l, out);
    for (size_t i = 0; i < n; i += n / 5 + 1) { /* L times a column of L^-1 */
        for (size_t r = 0; r < n; r++) {
            double sum = 0.0;
            for (size_t k = 0; k <= r; k++) {
                sum += pl_lower_row(kept, r)[k] * (double)out[(n - 1 - k) * n + (n - 1 - i)];
            }
            pl_check_close(sum, r == i ? 1.0 : 0.0, 1e-5, 1e-5);
        }
        for (size_t j = 0; j < i; j++) {
            expect_close(out[i * n + j], 0, 0);
        }
    }
    pl_lower_destroy(kept);
    free(column);
    free(out);
    free(a);
}

static void inverses(void **state)
{
    (void)state;
    check_inverse(1);
    check_inverse(ONE);
    check_inverse(MANY);
}

/* Both at once against one after the other. */
static void at_once(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 31, 32, 33, 70, 129, 600, MANY};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        pl_error err;
        bool positive = false;
        size_t column = 0;
        double *a = make_matrix(n);
        pl_lower *l = lower_of(a, n), *apart = factor_of(a, n);
        pl_check_ok(pl_lower_cholesky_invert(l, &positive, &column, NULL, &err), err);
        assert_true(positive);
        pl_check_ok(pl_lower_invert(apart, NULL, &err), err);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                pl_check_close(pl_lower_row(l, i)[j], pl_lower_row(apart, i)[j], 1e-9, 1e-11);
            }
        }
        pl_lower_destroy(l);
        pl_lower_destroy(apart);
        /* Every column that fails is named. */
        const size_t bad[] = {0, n / 3, n / 2, n - 1};
        for (size_t b = 0; b < 4; b++) {
            l = lower_of(a, n);
            pl_lower_row(l, bad[b])[bad[b]] = -1.0;
            pl_check_ok(pl_lower_cholesky_invert(l, &positive, &column, NULL, &err), err);
            assert_false(positive);
            assert_int_equal(column, bad[b]);
            pl_lower_destroy(l);
        }
        free(a);
    }
}

static void indefinite(void **state)
{
    (void)state;
    const size_t sizes[] = {ONE, MANY};
    for (size_t s = 0; s < 2; s++) {
        const size_t n = sizes[s], bad = n - 5;
        pl_error err;
        bool positive = true;
        size_t column = 0;
        double *a = make_matrix(n);
        a[bad * n + bad] = -1.0;
        pl_lower *l = lower_of(a, n);
        pl_check_ok(pl_lower_cholesky(l, &positive, &column, NULL, &err), err);
        assert_false(positive);
        assert_int_equal(column, bad);
        pl_lower_destroy(l);
        free(a);
    }
}

/* Many panels take little more than half a square, and stop between two. */
static void room_and_cancel(void **state)
{
    (void)state;
    pl_error err;
    const size_t n = 4 * PL_LOWER_WHOLE;
    pl_lower *l = pl_lower_create(n);
    assert_non_null(l);
    expect_less(pl_lower_bytes(l), n * n * sizeof(double) * 54 / 100);
    pl_task task = {0};
    bool positive = true;
    size_t column = 0;
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_lower_cholesky(l, &positive, &column, &task, &err), PL_ERR_CANCELLED);
    assert_false(positive);
    pl_lower_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors),    cmocka_unit_test(inverses),        cmocka_unit_test(at_once),
        cmocka_unit_test(indefinite), cmocka_unit_test(room_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
