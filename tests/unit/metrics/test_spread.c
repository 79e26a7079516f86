/* Quantiles by selection, against sorting. */
#include "core/metrics/spread.h"

#include "core/base/rng.h"
#include "tests/support/check.h"
#include "tests/support/rising.h"

#include <math.h>
#include <stdlib.h>

/* numpy's default, on a sorted copy. */
static void reference(const float *values, size_t count, double out[PL_SPREAD_NUMBERS])
{
    const double q[PL_SPREAD_NUMBERS] = {0, 0.01, 0.25, 0.5, 0.75, 0.99, 1};
    float *copy = malloc(count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, values, count * sizeof *copy);
    qsort(copy, count, sizeof *copy, rising_floats);
    for (size_t i = 0; i < PL_SPREAD_NUMBERS; i++) {
        const double at = q[i] * (double)(count - 1);
        const size_t low = (size_t)at;
        const size_t high = low + 1 < count ? low + 1 : low;
        const double part = at - (double)low;
        out[i] = (double)copy[low] + part * ((double)copy[high] - (double)copy[low]);
    }
    free(copy);
}

static void check_spread(const double *actual, const double *expected)
{
    for (size_t i = 0; i < PL_SPREAD_NUMBERS; i++) {
        pl_check_close(actual[i], expected[i], 1e-12, 1e-12);
        if (i > 0) {
            expect_at_most(actual[i - 1], actual[i]);
        }
    }
}

static void spread_is_that_of_sorting(void **state)
{
    (void)state;
    const size_t counts[] = {1, 2, 3, 4, 5, 6, 7, 10, 50, 99, 100, 101, 102, 201, 1000, 4097};
    pl_rng rng;
    pl_rng_init(&rng, 5);
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        for (int kind = 0; kind < 4; kind++) {
            const size_t count = counts[n];
            float *values = malloc(count * sizeof *values);
            assert_non_null(values);
            for (size_t i = 0; i < count; i++) {
                values[i] = kind == 0   ? (float)pl_rng_normal(&rng)
                            : kind == 1 ? (float)(i % 3)
                            : kind == 2 ? -(float)i
                                        : 2.5f;
            }
            double expected[PL_SPREAD_NUMBERS], actual[PL_SPREAD_NUMBERS];
            reference(values, count, expected);
            pl_spread(values, count, actual);
            check_spread(actual, expected);
            free(values);
        }
    }
    double none[PL_SPREAD_NUMBERS];
    pl_spread(NULL, 0, none);
    pl_check_close(none[3], 0, 0, 0);
}

enum { ROWS = 83, COLS = 101, STRIDE = 110 };

static void groups_have_the_spread_of_their_columns(void **state)
{
    (void)state;
    static float w[ROWS * STRIDE];
    static float column[ROWS * COLS];
    pl_rng rng;
    pl_error err;
    pl_rng_init(&rng, 6);
    for (size_t i = 0; i < ROWS * STRIDE; i++) {
        w[i] = i % STRIDE < COLS ? (float)pl_rng_normal(&rng) : NAN;
    }
    w[40 * STRIDE + 100] = -30.0f;
    const size_t sizes[] = {0, 1, 3, 16, 40, 101, 5000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (int magnitudes = 0; magnitudes < 2; magnitudes++) {
            const size_t groups = pl_group_count(COLS, sizes[s]);
            const size_t size = sizes[s] == 0 || sizes[s] > COLS ? COLS : sizes[s];
            double *out = malloc(groups * PL_SPREAD_NUMBERS * sizeof *out);
            assert_non_null(out);
            pl_check_ok(pl_group_spreads((pl_view){w, ROWS, COLS, STRIDE}, sizes[s],
                                         magnitudes != 0, out, NULL, &err),
                        err);
            for (size_t k = 0; k < groups; k++) {
                size_t n = 0;
                for (size_t r = 0; r < ROWS; r++) {
                    for (size_t c = k * size; c < COLS && c < (k + 1) * size; c++) {
                        const float v = w[r * STRIDE + c];
                        column[n++] = magnitudes != 0 ? fabsf(v) : v;
                    }
                }
                double expected[PL_SPREAD_NUMBERS];
                reference(column, n, expected);
                check_spread(out + k * PL_SPREAD_NUMBERS, expected);
            }
            pl_check_close(out[groups * PL_SPREAD_NUMBERS - (magnitudes != 0 ? 1u : 7u)],
                           magnitudes != 0 ? 30 : -30, 0, 0);
            free(out);
        }
    }
    assert_int_equal(pl_group_count(COLS, 0), 1);
    assert_int_equal(pl_group_count(COLS, 100), 2);
    assert_int_equal(pl_group_count(COLS, 101), 1);
}

static void bad_values_are_named(void **state)
{
    (void)state;
    float w[6] = {0, 1, 2, 3, INFINITY, 5};
    double out[3 * PL_SPREAD_NUMBERS];
    pl_error err = {0};
    assert_int_equal(pl_group_spreads((pl_view){w, 2, 3, 3}, 1, false, out, NULL, &err),
                     PL_ERR_NUMERIC);
    pl_check_says(err, "row 1, column 1 is not finite");
}

static void a_cancel_is_heard(void **state)
{
    (void)state;
    float w[4] = {0};
    double out[4 * PL_SPREAD_NUMBERS];
    pl_task task = {0};
    pl_error err = {0};
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_group_spreads((pl_view){w, 1, 4, 4}, 1, false, out, &task, &err),
                     PL_ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_is_that_of_sorting),
        cmocka_unit_test(groups_have_the_spread_of_their_columns),
        cmocka_unit_test(bad_values_are_named),
        cmocka_unit_test(a_cancel_is_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
