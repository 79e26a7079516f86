/* Against the formulas of methods.md 1, written out for one row. */
#include "core/format/activation.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>

enum { N = 37, ROWS = 5 };

static float expected(const pl_act_grid *grid, float lo, float hi, float x)
{
    const float levels = (float)(1 << grid->bits);
    if (!(grid->format == &pl_format_asymmetric)) {
        const float most = fmaxf(hi, -lo);
        const float s = most / (levels / 2 - 1);
        return s > 0.0f ? s * fminf(fmaxf(rintf(x / s), -levels / 2), levels / 2 - 1) : x;
    }
    const float s = (hi - lo) / (levels - 1);
    const float z = rintf(-lo / s);
    return s * (fminf(fmaxf(rintf(x / s) + z, 0), levels - 1) - z);
}

static void check_row(const pl_act_grid *grid, const float *x, const float *q, size_t n, float lo,
                      float hi)
{
    for (size_t c = 0; c < n; c++) {
        pl_check_close(q[c], expected(grid, lo, hi, x[c]), 1e-6, 1e-9);
    }
}

static void least_and_most(const float *x, size_t n, float *lo, float *hi)
{
    *lo = *hi = 0.0f;
    for (size_t c = 0; c < n; c++) {
        *lo = fminf(*lo, x[c]);
        *hi = fmaxf(*hi, x[c]);
    }
}

static void rows_by_their_own_range(void **state)
{
    (void)state;
    float x[ROWS * N], q[ROWS * N], lo = 0.0f, hi = 0.0f;
    const pl_act_range clip = {0.5f, 0.75f};
    ref_weights(1, ROWS * N, x);
    for (int bits = 2; bits <= 8; bits++) {
        for (int kind = 0; kind < 4; kind++) {
            const pl_act_grid grid = {.bits = bits,
                                      .format = kind % 2 == 1 ? &pl_format_asymmetric
                                                              : &pl_format_symmetric,
                                      .clip = 0.875};
            const pl_act_range *more = kind >= 2 ? &clip : NULL;
            memcpy(q, x, sizeof x);
            pl_act_quantize(&grid, more, q, ROWS, N);
            for (size_t r = 0; r < ROWS; r++) {
                least_and_most(x + r * N, N, &lo, &hi);
                lo *= 0.875f * (more != NULL ? clip.lo : 1.0f);
                hi *= 0.875f * (more != NULL ? clip.hi : 1.0f);
                check_row(&grid, x + r * N, q + r * N, N, lo, hi);
            }
        }
    }
}

static void groups_and_fixed(void **state)
{
    (void)state;
    float x[ROWS * N], q[ROWS * N], lo = 0.0f, hi = 0.0f;
    const pl_act_grid grid = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    ref_weights(2, ROWS * N, x);
    memcpy(q, x, sizeof x);
    pl_act_quantize_groups(&grid, NULL, 8, q, ROWS, N);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t at = 0; at < N; at += 8) {
            const size_t count = N - at < 8 ? N - at : 8;
            least_and_most(x + r * N + at, count, &lo, &hi);
            check_row(&grid, x + r * N + at, q + r * N + at, count, lo, hi);
        }
    }
    memcpy(q, x, sizeof x);
    pl_act_quantize_fixed(&grid, (pl_act_range){-0.5f, 0.25f}, q, ROWS, N);
    check_row(&grid, x, q, ROWS * N, -0.5f, 0.25f);
}

static void zeros_and_off(void **state)
{
    (void)state;
    float x[3] = {0.0f, 0.0f, 0.0f};
    const float tiny = 1e-45f;
    pl_act_grid grid = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    pl_act_quantize(&grid, NULL, x, 1, 3);
    expect_close(x[0], 0.0f, 0);
    expect_close(x[1], 0.0f, 0);
    expect_close(x[2], 0.0f, 0);
    x[1] = tiny; /* its scale is 0 in float32 */
    pl_act_quantize(&grid, NULL, x, 1, 3);
    expect_close(x[0], 0.0f, 0);
    expect_close(x[1], tiny, 0);
    x[0] = 0.3f;
    grid.bits = 0;
    pl_act_quantize(&grid, NULL, x, 1, 3);
    expect_close(x[0], 0.3f, 0);
}

/* Ends that are further apart than the largest float32. */
static void huge_ranges_stay_finite(void **state)
{
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
            float x[4] = {-3e38f, 3e38f, 0.0f, 1.0f};
            const pl_act_grid grid = {.bits = bits,
                                      .format = asymmetric == 1 ? &pl_format_asymmetric
                                                                : &pl_format_symmetric,
                                      .clip = 1.0};
            pl_act_quantize(&grid, NULL, x, 1, 4);
            for (size_t c = 0; c < 4; c++) {
                assert_true(isfinite(x[c]));
            }
            pl_check_close(x[2], 0.0, 0, 0);
            /* One step of the coarsest of these grids is 6e38 / 3. */
            pl_check_close(x[1], 3e38, 0, 2.1e38);
        }
    }
}

/* Asymmetric groups, an odd size and one group a row, against the formula. */
static void groups_with_a_zero_point(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 5, 7, 36, 37, 64};
    float x[ROWS * N], q[ROWS * N], lo = 0.0f, hi = 0.0f;
    const pl_act_grid grid = {.bits = 4, .format = &pl_format_asymmetric, .clip = 1.0};
    ref_weights(3, ROWS * N, x);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t width = sizes[s] == 0 || sizes[s] > N ? N : sizes[s];
        memcpy(q, x, sizeof x);
        pl_act_quantize_groups(&grid, NULL, sizes[s], q, ROWS, N);
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t at = 0; at < N; at += width) {
                const size_t count = N - at < width ? N - at : width;
                least_and_most(x + r * N + at, count, &lo, &hi);
                check_row(&grid, x + r * N + at, q + r * N + at, count, lo, hi);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_by_their_own_range),
        cmocka_unit_test(groups_and_fixed),
        cmocka_unit_test(zeros_and_off),
        cmocka_unit_test(huge_ranges_stay_finite),
        cmocka_unit_test(groups_with_a_zero_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
