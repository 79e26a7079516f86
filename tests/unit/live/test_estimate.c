/* A sum from some of its terms: exact, near enough, or not told. */
#include "core/live/estimate.h"

#include "tests/support/check.h"

#include "core/base/rng.h"

#include <math.h>
#include <string.h>

enum { ROWS = 600, TAKEN = 16 };

typedef struct made {
    double x[ROWS], y[ROWS], sum;
    unsigned char known[ROWS];
} made;

/* x falls over the rows by `span` decades; y / x is 0.3 with a log-normal scatter. */
static void make_rows(made *m, pl_rng *rng, double span, double scatter, size_t drawn)
{
    m->sum = 0;
    memset(m->known, PL_ROW_UNKNOWN, sizeof m->known);
    for (size_t r = 0; r < ROWS; r++) {
        m->x[r] = pow(10.0, -span * (double)r / ROWS);
        m->y[r] = 0.3 * m->x[r] * exp(scatter * pl_rng_normal(rng));
        m->sum += m->y[r];
        m->known[r] = r < TAKEN ? PL_ROW_TAKEN : PL_ROW_UNKNOWN;
    }
    for (size_t i = 0; i < drawn; i++) {
        m->known[TAKEN + (2 * i + 1) * (ROWS - TAKEN) / (2 * drawn)] = PL_ROW_DRAWN;
    }
}

static double estimate(const made *m)
{
    return pl_estimate_sum(m->x, m->y, m->known, ROWS);
}

static void test_all_known_is_exact(void **ctx)
{
    (void)ctx;
    pl_rng rng;
    made m;
    pl_rng_init(&rng, 1);
    make_rows(&m, &rng, 3, 2.0, 0);
    assert_true(isnan(estimate(&m)));
    memset(m.known, PL_ROW_TAKEN, sizeof m.known);
    expect_less(fabs(estimate(&m) - m.sum), 1e-12);
    /* A row without anything to lose need not be known. */
    m.sum -= m.y[99];
    m.x[99] = m.y[99] = 0;
    m.known[99] = PL_ROW_UNKNOWN;
    expect_less(fabs(estimate(&m) - m.sum), 1e-12);
}

/* Ratios that are alike say what the rest is; a few of them, or scattered ones, do not. */
static void test_told_where_ratios_agree(void **ctx)
{
    (void)ctx;
    pl_rng rng;
    made m;
    pl_rng_init(&rng, 2);
    make_rows(&m, &rng, 2, 1e-3, 40);
    expect_less(fabs(estimate(&m) / m.sum - 1.0), 1e-3);
    make_rows(&m, &rng, 2, 1e-3, 5);
    assert_true(isnan(estimate(&m)));
    make_rows(&m, &rng, 0.1, 1.0, 40);
    assert_true(isnan(estimate(&m)));
}

/* One row holds the sum: taken it is counted, whatever its ratio. */
static void test_a_massive_row_is_counted(void **ctx)
{
    (void)ctx;
    pl_rng rng;
    made m;
    pl_rng_init(&rng, 3);
    make_rows(&m, &rng, 2, 0.05, 40);
    m.sum -= m.y[0];
    m.x[0] = 1e6;
    m.y[0] = 1e5;
    m.sum += m.y[0];
    expect_less(fabs(estimate(&m) / m.sum - 1.0), 1e-3);
}

/* Thousands of layers: what is told is within the promise. */
static void test_what_is_told_is_near(void **ctx)
{
    (void)ctx;
    pl_rng rng;
    size_t told = 0;
    size_t far = 0;
    pl_rng_init(&rng, 4);
    for (size_t i = 0; i < 4000; i++) {
        made m;
        make_rows(&m, &rng, pl_rng_uniform(&rng), 0.3 * pl_rng_uniform(&rng),
                  24 + (size_t)pl_rng_below(&rng, 120));
        const double sum = estimate(&m);
        told += isfinite(sum);
        far += isfinite(sum) && fabs(sum / m.sum - 1.0) > PL_SHOWN_WITHIN;
    }
    expect_less(1000, told);
    expect_at_most(far, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_known_is_exact),
        cmocka_unit_test(test_told_where_ratios_agree),
        cmocka_unit_test(test_a_massive_row_is_counted),
        cmocka_unit_test(test_what_is_told_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
