/* A learned factor: it is what its formula says, its inverse is one, and the gradient of its
 * parameters agrees with central differences in float64. */
#include "core/learn/factor.h"

#include "core/base/rng.h"
#include "core/solve/adamw.h"
#include "tests/support/check.h"
#include "tests/support/ref_learn.h"

#include <math.h>

enum { N = 6, COUNT = N * N };

static void make_params(double params[COUNT])
{
    pl_error err;
    pl_rng rng;
    pl_check_ok(pl_factor_start(N, 4, params, &err), err);
    pl_rng_init(&rng, 9);
    for (size_t i = 0; i < COUNT; i++) {
        params[i] += 0.3 * pl_rng_normal(&rng);
    }
}

static void test_factor(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_factor f;
    double params[COUNT], p[N * N], inverse_t[N * N];
    make_params(params);
    pl_check_ok(pl_factor_init(&f, N, &err), err);
    pl_check_ok(pl_factor_make(&f, params, "P", &err), err);
    pl_ref_learn_factor(N, params, p, inverse_t);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double product = 0.0;
            pl_check_close(f.p[i * N + j], p[i * N + j], 1e-12, 1e-12);
            pl_check_close(f.inverse_t[i * N + j], inverse_t[i * N + j], 1e-12, 1e-12);
            for (size_t k = 0; k < N; k++) {
                product += f.p[i * N + k] * f.inverse_t[j * N + k];
            }
            pl_check_close(product, i == j ? 1.0 : 0.0, 0, 1e-12);
        }
    }
    pl_factor_deinit(&f);
}

/* It starts as a product of two rotations. */
static void test_start(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_factor f;
    double params[COUNT], other[COUNT];
    pl_check_ok(pl_factor_start(N, 1, params, &err), err);
    pl_check_ok(pl_factor_start(N, 2, other, &err), err);
    assert_memory_not_equal(params, other, sizeof params);
    pl_check_ok(pl_factor_init(&f, N, &err), err);
    pl_check_ok(pl_factor_make(&f, params, "P", &err), err);
    pl_check_close(f.condition, 1.0, 0, 0);
    for (size_t i = 0; i < N * N; i++) {
        pl_check_close(f.inverse_t[i], f.p[i], 1e-12, 1e-12);
    }
    pl_factor_deinit(&f);
}

/* <a, P> + <b, P^-T> */
static double linear(const double *params, const double *a, const double *b)
{
    double p[N * N], inverse_t[N * N], sum = 0.0;
    pl_ref_learn_factor(N, params, p, inverse_t);
    for (size_t i = 0; i < N * N; i++) {
        sum += a[i] * p[i] + b[i] * inverse_t[i];
    }
    return sum;
}

static void test_gradient(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_factor f;
    pl_rng rng;
    double params[COUNT], gradient[COUNT], a[N * N], b[N * N];
    make_params(params);
    pl_rng_init(&rng, 2);
    for (size_t i = 0; i < N * N; i++) {
        a[i] = pl_rng_normal(&rng);
        b[i] = pl_rng_normal(&rng);
    }
    pl_check_ok(pl_factor_init(&f, N, &err), err);
    pl_check_ok(pl_factor_make(&f, params, "P", &err), err);
    pl_factor_gradient(&f, params, a, b, gradient);
    for (size_t i = 0; i < COUNT; i++) {
        const double step = 1e-6, keep = params[i];
        params[i] = keep + step;
        const double up = linear(params, a, b);
        params[i] = keep - step;
        const double down = linear(params, a, b);
        params[i] = keep;
        pl_check_close(gradient[i], (up - down) / (2.0 * step), 1e-7, 1e-7);
    }
    pl_factor_deinit(&f);
}

static void test_singular(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_factor f;
    double params[COUNT];
    make_params(params);
    pl_check_ok(pl_factor_init(&f, N, &err), err);
    params[COUNT - 1] = 1e-9;
    assert_int_equal(pl_factor_make(&f, params, "factor P1", &err), PL_ERR_NUMERIC);
    pl_check_says(err, "factor P1 is singular: its singular values go from 1e-09");
    params[COUNT - 1] = (double)NAN;
    assert_int_equal(pl_factor_make(&f, params, "factor P1", &err), PL_ERR_NUMERIC);
    pl_check_says(err, "factor P1 is not finite");
    pl_factor_deinit(&f);
}

/* AdamW's first two steps by hand: with one gradient g the first step is rate * sign(g). */
static void test_adamw(void **ctx)
{
    (void)ctx;
    double p[2] = {1.0, -2.0}, m[2] = {0}, v[2] = {0};
    const double first[2] = {0.5, -4.0}, second[2] = {-0.25, -4.0}, rates[2] = {0.2, 0.4};
    pl_adamw_step(p, first, m, v, 2, 1, rates, 0.5, 0.01);
    pl_check_close(p[0], 1.0 * (1.0 - 0.001) - 0.1, 1e-7, 0);
    pl_check_close(p[1], -2.0 * (1.0 - 0.002) + 0.2, 1e-7, 0);
    const double before = p[0];
    pl_adamw_step(p, second, m, v, 2, 2, rates, 0.5, 0.0);
    const double mean = (0.9 * 0.05 + 0.1 * -0.25) / (1.0 - 0.81);
    const double square = (0.999 * 0.00025 + 0.001 * 0.0625) / (1.0 - 0.998001);
    pl_check_close(p[0], before - 0.1 * mean / (sqrt(square) + 1e-8), 1e-12, 0);
    pl_check_close(pl_cosine_rate(0.005, 0, 300), 0.005, 1e-12, 0);
    pl_check_close(pl_cosine_rate(0.005, 150, 300), 0.005 * 0.5005, 1e-12, 0);
    pl_check_close(pl_cosine_rate(0.005, 300, 300), 5e-6, 1e-12, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factor),   cmocka_unit_test(test_start),
        cmocka_unit_test(test_gradient), cmocka_unit_test(test_singular),
        cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
