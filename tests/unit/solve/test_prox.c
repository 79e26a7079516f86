#include "core/solve/prox.h"

#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>

enum { MOST = 300 };

/* Clips v[count] in place and returns the level. */
static float clip_to_prox(float *v, size_t count, float tau)
{
    float c = pl_prox_linf_level(v, count, tau);
    pl_prox_linf_clip(v, count, count, &c, v);
    return c;
}

/* c solves sum max(|v| - c, 0) = tau, in float64. */
static double left_over(const float *v, size_t count, double c)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += fmax(fabs((double)v[i]) - c, 0.0);
    }
    return sum;
}

static void matches_the_sort(void **state)
{
    (void)state;
    const size_t counts[] = {1, 2, 7, 15, 16, 17, 64, 127, 128, 300};
    float v[MOST];
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        for (int k = -20; k <= 8; k++) {
            ref_weights(c * 100 + (uint64_t)(k + 20), counts[c], v);
            v[0] *= 50.0f; /* an outlier */
            const double tau = exp2(k);
            const double expected = ref_level(v, counts[c], (double)(float)tau);
            const float level = pl_prox_linf_level(v, counts[c], (float)tau);
            pl_check_close(level, expected, 2e-6, 1e-6);
            if (level > 0.0f) {
                pl_check_close(left_over(v, counts[c], (double)level), tau, 1e-5, 2e-5);
            }
        }
    }
}

/* No other level of a fine search gives a smaller 1/2 ||x - v||^2 + tau max|x|. */
static void is_the_minimum(void **state)
{
    (void)state;
    float v[20];
    ref_weights(3, 20, v);
    const double tau = 2.5;
    double best = INFINITY, at = 0.0;
    for (double c = 0.0; c < 4.0; c += 1e-4) {
        double cost = tau * c;
        for (size_t i = 0; i < 20; i++) {
            const double over = fmax(fabs((double)v[i]) - c, 0.0);
            cost += 0.5 * over * over;
        }
        if (cost < best) {
            best = cost;
            at = c;
        }
    }
    pl_check_close(pl_prox_linf_level(v, 20, (float)tau), at, 0.0, 2e-4);
}

static void edges(void **state)
{
    (void)state;
    float zeros[130] = {0}, ties[5] = {2.0f, -2.0f, 2.0f, -2.0f, 2.0f}, v[3] = {3.0f, -1.0f, 0.5f};
    expect_close(pl_prox_linf_level(zeros, 130, 0.0f), 0.0f, 0);
    expect_close(pl_prox_linf_level(zeros, 130, 1.0f), 0.0f, 0);
    pl_check_close(pl_prox_linf_level(ties, 5, 5.0f), 1.0, 1e-6, 0);
    expect_close(pl_prox_linf_level(v, 3, 0.0f), 3.0f, 0);
    expect_close(pl_prox_linf_level(v, 3, 4.5f), 0.0f, 0); /* tau = ||v||_1 */
    expect_close(pl_prox_linf_level(v, 3, 1e-30f), 3.0f, 0);
    expect_close(clip_to_prox(v, 3, 1.0f), 2.0f, 0);
    expect_close(v[0], 2.0f, 0);
    expect_close(v[1], -1.0f, 0);
    expect_close(v[2], 0.5f, 0);
    expect_close(clip_to_prox(v, 3, 100.0f), 0.0f, 0);
    expect_close(v[0], 0.0f, 0);
    expect_close(v[1], 0.0f, 0);
    expect_close(v[2], 0.0f, 0);
}

/* The level does not depend on the guess, on short last groups or on where a group lies. */
static void groups_and_guesses(void **state)
{
    (void)state;
    enum { N = 200, WIDTH = 64, GROUPS = 4 };
    float v[N], taus[GROUPS] = {0.5f, 3.0f, 0.0f, 100.0f};
    ref_weights(9, N, v);
    const float guesses[] = {0.0f, 1e-3f, 0.5f, 1.9f, 50.0f};
    for (size_t g = 0; g < 5; g++) {
        float levels[GROUPS] = {guesses[g], guesses[g], guesses[g], guesses[g]};
        pl_prox_linf_levels(v, N, WIDTH, taus, levels);
        for (size_t k = 0; k < GROUPS; k++) {
            const size_t size = k == 3 ? 8 : WIDTH;
            pl_check_close(levels[k], ref_level(v + k * WIDTH, size, (double)taus[k]), 2e-6, 1e-7);
        }
        float z[N];
        pl_prox_linf_clip(v, N, WIDTH, levels, z);
        for (size_t i = 0; i < N; i++) {
            const float c = levels[i / WIDTH];
            expect_close(z[i], fmaxf(-c, fminf(c, v[i])), 0);
        }
    }
}

/* c solves sum metric_i max(|v_i| - c, 0) = tau, in float64, for groups with a short last one and
 * any guess; a metric of ones gives the plain level. */
static void in_a_metric(void **state)
{
    (void)state;
    enum { COUNT = 300, WIDTH = 128, GROUPS = 3 };
    float v[COUNT], metric[COUNT], ones[COUNT], levels[GROUPS], plain[GROUPS];
    for (int seed = 0; seed < 30; seed++) {
        ref_weights((uint64_t)(500 + seed), COUNT, v);
        ref_weights((uint64_t)(900 + seed), COUNT, metric);
        for (size_t i = 0; i < COUNT; i++) {
            metric[i] = exp2f(2.0f * metric[i]); /* six decades */
            ones[i] = 1.0f;
        }
        const float tau = exp2f((float)(seed % 15) - 8.0f);
        const float taus[GROUPS] = {tau, 0.0f, 2.0f * tau};
        for (size_t k = 0; k < GROUPS; k++) {
            levels[k] = plain[k] = (float)(seed % 4); /* a guess, too high at times */
        }
        pl_prox_linf_levels_in(v, metric, COUNT, WIDTH, taus, levels);
        for (size_t k = 0; k < GROUPS; k++) {
            double left = 0.0, norm = 0.0, most = 0.0;
            for (size_t i = k * WIDTH; i < COUNT && i < (k + 1) * WIDTH; i++) {
                const double a = fabs((double)v[i]), m = (double)metric[i];
                left += m * fmax(a - (double)levels[k], 0.0);
                norm += m * a;
                most = fmax(most, a);
            }
            if (!(taus[k] > 0.0f)) {
                expect_close((double)levels[k], most, 0);
            } else if (levels[k] > 0.0f) {
                pl_check_close(left, taus[k], 1e-4, 2e-6 * norm);
            } else {
                expect_at_most(norm, (double)taus[k] * (1.0 + 1e-5));
            }
        }
        pl_prox_linf_levels_in(v, ones, COUNT, WIDTH, taus, levels);
        pl_prox_linf_levels(v, COUNT, WIDTH, taus, plain);
        for (size_t k = 0; k < GROUPS; k++) {
            pl_check_close(levels[k], plain[k], 2e-6, 1e-6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_the_sort),
        cmocka_unit_test(is_the_minimum),
        cmocka_unit_test(edges),
        cmocka_unit_test(groups_and_guesses),
        cmocka_unit_test(in_a_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
