/* Steps on orthogonal matrices, and the kurtosis that rotations are learned by. */
#include "core/learn/kurtosis.h"
#include "core/learn/stiefel.h"
#include "core/tensor/orthogonal.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>

enum { N = 24, ORDER = 8, ROWS = 40 };

static void check_orthogonal(const float *r, size_t n, double within)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double dot = 0.0;
            for (size_t k = 0; k < n; k++) {
                dot += (double)r[i * n + k] * (double)r[j * n + k];
            }
            pl_check_close(dot, i == j ? 1.0 : 0.0, 0, within);
        }
    }
}

/* ||R - A||^2 for an orthogonal A falls by 2 tr(A^T (R - A)); its gradient is 2 (R - A), of which
 * only -2 A counts.  A of the same determinant is reached. */
static void steps_stay_orthogonal_and_arrive(void **state)
{
    (void)state;
    pl_error err;
    float a[N * N], r[N * N], g[N * N];
    double first = 0.0, last = 0.0;
    pl_check_ok(pl_orthogonal_random(N, 3, a, NULL, &err), err);
    memcpy(r, a, sizeof r);
    for (size_t i = 0; i < N; i++) { /* A with planes turned by 0.9 */
        const size_t p = i * N + 2, q = i * N + 9;
        const float x = r[p], y = r[q];
        r[p] = cosf(0.9f) * x - sinf(0.9f) * y;
        r[q] = sinf(0.9f) * x + cosf(0.9f) * y;
    }
    for (int step = 0; step < 200; step++) {
        last = 0.0;
        for (size_t i = 0; i < N * N; i++) {
            g[i] = -2.0f * a[i];
            last += pow((double)r[i] - (double)a[i], 2);
        }
        first = step == 0 ? last : first;
        pl_check_ok(pl_stiefel_step(N, r, g, 0.2, 1.0, &err), err);
    }
    check_orthogonal(r, N, 2e-6);
    expect_less(1.0, first);
    expect_less(last, 1e-6);
    memset(g, 0, sizeof g);
    memcpy(a, r, sizeof r);
    pl_check_ok(pl_stiefel_step(N, r, g, 1.0, 1.0, &err), err); /* nothing to go after */
    assert_memory_equal(a, r, sizeof r);
    g[5] = NAN;
    assert_int_equal(pl_stiefel_step(N, r, g, 1.0, 1.0, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "not finite");
}

/* The longest step is bounded by 1 / ||W||_1, whatever the gradient's size. */
static void long_steps_are_cut(void **state)
{
    (void)state;
    pl_error err;
    float start[N * N], r[N * N], g[N * N];
    pl_check_ok(pl_orthogonal_random(N, 4, start, NULL, &err), err);
    ref_weights(9, N * N, g);
    for (size_t i = 0; i < N * N; i++) {
        g[i] *= 1e6f;
    }
    memcpy(r, start, sizeof r);
    pl_check_ok(pl_stiefel_step(N, r, g, 1.5, 1.0, &err), err);
    check_orthogonal(r, N, 2e-6);
    double moved = 0.0;
    for (size_t i = 0; i < N * N; i++) {
        moved += pow((double)r[i] - (double)start[i], 2);
    }
    expect_less(1e-4, moved);
    expect_less(moved, (double)N);
}

/* The sum over rows in float64, of Y = X R divided by rows' own energies, which rotating keeps. */
static double kurtosis(const float *x, const double *r)
{
    double sum = 0.0;
    for (size_t t = 0; t < ROWS; t++) {
        double fourth = 0.0, square = 0.0;
        for (size_t part = 0; part < N / ORDER; part++) {
            for (size_t j = 0; j < ORDER; j++) {
                double y = 0.0;
                for (size_t k = 0; k < ORDER; k++) {
                    y += (double)x[t * N + part * ORDER + k] * r[k * ORDER + j];
                }
                fourth += y * y * y * y;
                square += pow((double)x[t * N + part * ORDER + j], 2);
            }
        }
        sum += (double)N * fourth / (square * square);
    }
    return sum;
}

static void kurtosis_has_its_gradient(void **state)
{
    (void)state;
    pl_error err;
    float x[ROWS * N], r[ORDER * ORDER], g[ORDER * ORDER] = {0};
    double exact[ORDER * ORDER], sum = 0.0;
    ref_weights(21, ROWS * N, x);
    for (size_t t = 0; t < ROWS; t++) {
        x[t * N + t % N] *= 9.0f;
    }
    pl_check_ok(pl_orthogonal_random(ORDER, 5, r, NULL, &err), err);
    for (size_t i = 0; i < ORDER * ORDER; i++) {
        exact[i] = (double)r[i];
    }
    pl_check_ok(pl_kurtosis_add(x, ROWS, N, r, ORDER, &sum, g, NULL, &err), err);
    pl_check_close(sum, kurtosis(x, exact), 1e-5, 0);
    for (size_t i = 0; i < ORDER * ORDER; i++) {
        const double was = exact[i], h = 1e-5;
        exact[i] = was + h;
        const double high = kurtosis(x, exact);
        exact[i] = was - h;
        const double low = kurtosis(x, exact);
        exact[i] = was;
        pl_check_close(g[i], (high - low) / (2.0 * h), 1e-4, 1e-3);
    }
}

static void rows_of_zeros_have_none(void **state)
{
    (void)state;
    pl_error err;
    const float x[ORDER] = {0};
    float r[ORDER * ORDER], g[ORDER * ORDER] = {0};
    double sum = 0.0;
    pl_check_ok(pl_orthogonal_random(ORDER, 5, r, NULL, &err), err);
    pl_check_ok(pl_kurtosis_add(x, 1, ORDER, r, ORDER, &sum, g, NULL, &err), err);
    pl_check_close(sum, 0, 0, 0);
    for (size_t i = 0; i < ORDER * ORDER; i++) {
        pl_check_close(g[i], 0, 0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_stay_orthogonal_and_arrive),
        cmocka_unit_test(long_steps_are_cut),
        cmocka_unit_test(kurtosis_has_its_gradient),
        cmocka_unit_test(rows_of_zeros_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
