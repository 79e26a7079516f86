/* Log sums and KL divergence of logits against float64 libm. */
#include "core/metrics/softmax.h"

#include "core/base/rng.h"
#include "tests/support/check.h"

#include <math.h>

enum { N = 1037 };

static void fill(float *a, float *b, double spread, double shift, uint64_t seed)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < N; i++) {
        a[i] = (float)(shift + spread * pl_rng_normal(&rng));
        b[i] = (float)((double)a[i] + 0.1 * spread * pl_rng_normal(&rng));
    }
}

static double log_sum(const float *x)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < N; i++) {
        max = (double)x[i] > max ? (double)x[i] : max;
    }
    for (size_t i = 0; i < N; i++) {
        sum += exp((double)x[i] - max);
    }
    return max + log(sum);
}

static void test_against_libm(void **state)
{
    (void)state;
    static const double cases[][2] = {{0.01, 0}, {1, 0}, {5, -300}, {30, 1000}, {200, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        float a[N], b[N];
        fill(a, b, cases[k][0], cases[k][1], 40 + k);
        const double la = log_sum(a), lb = log_sum(b);
        double kl = 0;
        for (size_t i = 0; i < N; i++) {
            kl += exp((double)a[i] - la) * (((double)a[i] - la) - ((double)b[i] - lb));
        }
        const float ma = pl_row_max(a, N), mb = pl_row_max(b, N);
        pl_check_close(pl_row_log_sum_exp(a, N, ma), la, 0, 1e-6);
        pl_check_close(pl_row_log_sum_exp(b, N, mb), lb, 0, 1e-6);
        pl_check_close(pl_row_kl(a, b, N, ma, la, lb), kl, 1e-6, 1e-9);
        pl_check_close(pl_row_kl(a, a, N, ma, la, la), 0, 0, 0);
        expect_close(a[pl_row_find(a, N, ma)], ma, 0);
    }
}

static void test_nonfinite_shows(void **state)
{
    (void)state;
    float a[N], b[N];
    fill(a, b, 1, 0, 3);
    a[500] = NAN;
    assert_true(!isfinite(pl_row_log_sum_exp(a, N, pl_row_max(a, N))));
    a[500] = INFINITY;
    assert_true(!isfinite(pl_row_log_sum_exp(a, N, pl_row_max(a, N))));
    for (size_t i = 0; i < N; i++) {
        a[i] = NAN;
    }
    assert_true(!isfinite(pl_row_log_sum_exp(a, N, pl_row_max(a, N))));
}

static void test_find_first(void **state)
{
    (void)state;
    const float x[4] = {1, 5, 5, 2};
    assert_int_equal(pl_row_find(x, 4, 5), 1);
    assert_int_equal(pl_row_find(x, 4, 7), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_libm),
        cmocka_unit_test(test_nonfinite_shows),
        cmocka_unit_test(test_find_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
