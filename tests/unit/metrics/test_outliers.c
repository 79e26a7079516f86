/* Numbers that describe outliers, against plain float64 loops. */
#include "core/metrics/outliers.h"

#include "core/base/rng.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 203, COLS = 301, STRIDE = 310 };

static float *make_weights(void)
{
    float *w = malloc(ROWS * STRIDE * sizeof *w);
    assert_non_null(w);
    pl_rng rng;
    pl_rng_init(&rng, 21);
    for (size_t i = 0; i < ROWS * STRIDE; i++) {
        w[i] = i % STRIDE < COLS ? (float)(0.3 + pl_rng_normal(&rng)) : NAN;
    }
    w[17 * STRIDE + 7] = -40.0f;
    return w;
}

static void test_columns(void **state)
{
    (void)state;
    float *w = make_weights();
    float max[COLS], rms[COLS], mean[COLS];
    pl_column_stats((pl_view){w, ROWS, COLS, STRIDE}, max, rms, mean);
    for (size_t c = 0; c < COLS; c++) {
        double m = 0, s = 0, a = 0;
        for (size_t r = 0; r < ROWS; r++) {
            const double v = fabs((double)w[r * STRIDE + c]);
            m = v > m ? v : m;
            s += v * v;
            a += v;
        }
        pl_check_close(max[c], m, 0, 0);
        pl_check_close(rms[c], sqrt(s / ROWS), 1e-6, 0);
        pl_check_close(mean[c], a / ROWS, 1e-6, 0);
    }
    expect_close(max[7], 40.0f, 0);
    free(w);
}

static void test_describe(void **state)
{
    (void)state;
    float *w = make_weights();
    const double n = ROWS * COLS;
    double mean = 0, abs = 0, square = 0, m2 = 0, m4 = 0, far = 0, norms[COLS] = {0}, norm = 0;
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const double v = (double)w[i / COLS * STRIDE + i % COLS];
        mean += v / n;
        abs += fabs(v) / n;
        square += v * v / n;
        norms[i % COLS] += v * v;
    }
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const double d = (double)w[i / COLS * STRIDE + i % COLS] - mean;
        m2 += d * d / n;
        m4 += d * d * d * d / n;
    }
    for (size_t i = 0; i < ROWS * COLS; i++) {
        far += fabs((double)w[i / COLS * STRIDE + i % COLS] - mean) > 6 * sqrt(m2) ? 1 / n : 0;
    }
    double flat = 0, top = 0;
    for (size_t c = 0; c < COLS; c++) {
        norm += sqrt(norms[c]) / COLS;
    }
    for (size_t c = 0; c < COLS; c++) {
        flat += fabs(sqrt(norms[c]) / norm - 1) / COLS;
        top = sqrt(norms[c]) / norm > top ? sqrt(norms[c]) / norm : top;
    }
    const pl_tensor_numbers t = pl_describe((pl_view){w, ROWS, COLS, STRIDE});
    pl_check_close(t.max, 40, 0, 0);
    pl_check_close(t.rms, sqrt(square), 1e-9, 0);
    pl_check_close(t.mean_abs, abs, 1e-9, 0);
    pl_check_close(t.kurtosis, m4 / m2 / m2, 1e-9, 0);
    pl_check_close(t.max_over_rms, 40 / sqrt(square), 1e-9, 0);
    pl_check_close(t.incoherence, 40 * sqrt(n) / sqrt(square * n), 1e-9, 0);
    expect_less(0, far);
    pl_check_close(t.share_above_6_sigma, far, 1e-9, 0);
    pl_check_close(t.flatness, flat, 1e-5, 0);
    pl_check_close(t.flatness_max, top, 1e-6, 0);
    free(w);
}

static void test_describe_degenerate(void **state)
{
    (void)state;
    const float zero[6] = {0};
    const pl_tensor_numbers t = pl_describe((pl_view){zero, 2, 3, 3});
    pl_check_close(t.max, 0, 0, 0);
    pl_check_close(t.kurtosis, 0, 0, 0);
    pl_check_close(t.flatness, 0, 0, 0);
    const float same[4] = {2, 2, 2, 2};
    const pl_tensor_numbers s = pl_describe((pl_view){same, 2, 2, 2});
    pl_check_close(s.kurtosis, 0, 0, 0);
    pl_check_close(s.share_above_6_sigma, 0, 0, 0);
    pl_check_close(s.flatness_max, 1, 1e-12, 0);
}

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void test_median(void **state)
{
    (void)state;
    pl_rng rng;
    pl_rng_init(&rng, 5);
    float v[64], sorted[64];
    for (size_t trial = 0; trial < 500; trial++) {
        const size_t n = 1 + trial % 64;
        for (size_t i = 0; i < n; i++) {
            v[i] = (float)pl_rng_below(&rng, 1 + trial % 7 * 5); /* many ties */
        }
        memcpy(sorted, v, sizeof v);
        qsort(sorted, n, sizeof *sorted, compare);
        const double upper = (double)sorted[n / 2];
        const double expected = n % 2 == 1 ? upper : ((double)sorted[n / 2 - 1] + upper) / 2;
        pl_check_close(pl_median(v, n), expected, 0, 0);
    }
    pl_check_close(pl_median(NULL, 0), 0, 0, 0);
}

static void test_ratio(void **state)
{
    (void)state;
    const float some[4] = {1, 12, 2, 4};
    pl_check_close(pl_outlier_ratio(some, 4), 4, 0, 0);
    const float zero[3] = {0};
    pl_check_close(pl_outlier_ratio(zero, 3), 1, 0, 0);
    const float lone[3] = {0, 5, 0};
    assert_true(pl_outlier_ratio(lone, 3) == INFINITY);
    assert_int_equal(pl_outlier_count(some, 4, 3.9), 1);
    assert_int_equal(pl_outlier_count(some, 4, 4.0), 0);
}

static void test_top(void **state)
{
    (void)state;
    const float v[7] = {3, 9, 3, 1, 9, 0, 3};
    const size_t expected[7] = {1, 4, 0, 2, 6, 3, 5};
    size_t out[7];
    for (size_t top = 0; top <= 9; top++) {
        const size_t n = pl_top_channels(v, 7, top, out);
        assert_int_equal(n, top < 7 ? top : 7);
        assert_memory_equal(out, expected, n * sizeof *out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_describe_degenerate),
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
