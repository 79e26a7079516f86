/* The search of one number: any rising or falling function is met within its range, and what
 * cannot be met is said to be so. */
#include "core/base/rng.h"
#include "core/base/search.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdio.h>

typedef struct curve {
    int shape;
    double at, power, top;
} curve;

/* Shapes that strengths have: a power that saturates, a power, a step that is smooth, straight
 * pieces in log-log. */
static double curve_y(const curve *c, double x)
{
    const double t = x / c->at;
    switch (c->shape) {
    case 0:
        return c->top * (1.0 - exp(-pow(t, c->power)));
    case 1:
        return c->top * pow(t, c->power);
    case 2:
        return c->top / (1.0 + pow(t, -1.5 * c->power));
    default:
        return c->top * (t < 1.0 ? pow(t, c->power) : pow(t, 0.2 * c->power));
    }
}

static double between(pl_rng *rng, double low, double high)
{
    return low * exp(pl_rng_uniform(rng) * log(high / low));
}

static void run_curve(pl_search *s, const curve *c, bool falling)
{
    double x = 0.0;
    while (pl_search_next(s, &x)) {
        expect_at_most(s->low, x);
        expect_at_most(x, s->high);
        pl_search_tell(s, x, falling ? 1.0 / curve_y(c, x) : curve_y(c, x));
    }
}

static void any_monotone_function_is_met(void **state)
{
    (void)state;
    pl_rng rng;
    pl_rng_init(&rng, 5);
    size_t all = 0, most = 0, found = 0;
    enum { CASES = 2000 };
    for (int i = 0; i < CASES; i++) {
        const curve c = {.shape = i % 4,
                         .at = between(&rng, 1e-6, 1.0),
                         .power = between(&rng, 0.3, 2.0),
                         .top = between(&rng, 0.5, 2.0)};
        const bool falling = i % 3 == 0;
        const double aim = between(&rng, c.at * 1e-2, c.at * 2.0);
        pl_search s = {.low = 1e-9, .high = 1e2, .logarithmic = true, .tolerance = 1e-3};
        s.start = aim * between(&rng, 0.05, 20.0);
        s.want = falling ? 1.0 / curve_y(&c, aim) : curve_y(&c, aim);
        run_curve(&s, &c, falling);
        assert_int_not_equal(s.end, PL_SEARCH_BEYOND);
        found += s.end == PL_SEARCH_FOUND;
        if (s.end == PL_SEARCH_FOUND) {
            expect_at_most(fabs(s.y[s.best] - s.want), s.tolerance * s.want);
        }
        all += s.count;
        most = s.count > most ? s.count : most;
    }
    print_message("%.2f values a search, %zu at most, %zu of %d found\n", (double)all / CASES, most,
                  found, CASES);
    expect_at_most(most, PL_SEARCH_MOST);
    expect_less(0.99 * CASES, found); /* the others begin far out on a plateau */
    expect_less((double)all / CASES, 7.0);
}

static void what_lies_beyond_the_range_is_said(void **state)
{
    (void)state;
    const curve c = {.shape = 0, .at = 1e-3, .power = 0.7, .top = 0.4};
    for (int i = 0; i < 2; i++) {
        pl_search s = {.low = 1e-8, .high = 10.0, .logarithmic = true, .tolerance = 1e-3};
        s.start = 3e-4;
        s.want = i == 0 ? 0.5 : 1e-9; /* above the most, below the least */
        run_curve(&s, &c, false);
        assert_int_equal(s.end, PL_SEARCH_BEYOND);
        expect_less(s.count, PL_SEARCH_MOST);
        if (i == 0) {
            expect_less(0.399, s.y[s.best]);
        } else {
            expect_less(s.x[s.best], 1.01e-8);
        }
    }
}

static double plateau(double x)
{
    return x < 1e-2 ? 0.1 : x < 1e-1 ? 0.1 + (x - 1e-2) * 10.0 : 1.0;
}

static void plateaus_are_crossed(void **state)
{
    (void)state;
    for (int k = -7; k <= 1; k++) {
        pl_search s = {.low = 1e-8, .high = 1e2, .logarithmic = true, .tolerance = 1e-2};
        s.start = pow(10.0, k);
        s.want = 0.5;
        for (double x = 0; pl_search_next(&s, &x);) {
            pl_search_tell(&s, x, plateau(x));
        }
        assert_int_equal(s.end, PL_SEARCH_FOUND);
    }
    pl_search flat = {.low = 0.0, .high = 1.0, .tolerance = 1e-3, .want = 0.5, .start = 0.5};
    for (double x = 0; pl_search_next(&flat, &x);) {
        pl_search_tell(&flat, x, 0.1);
    }
    assert_int_equal(flat.end, PL_SEARCH_BEYOND);
}

static void a_step_is_met_as_near_as_it_can_be(void **state)
{
    (void)state;
    pl_search s = {.low = 1e-6, .high = 1.0, .logarithmic = true, .tolerance = 1e-3};
    s.start = 1e-5;
    s.want = 0.5;
    for (double x = 0; pl_search_next(&s, &x);) {
        pl_search_tell(&s, x, x < 3e-3 ? 0.4 : 0.7);
    }
    assert_int_equal(s.end, PL_SEARCH_NEAREST);
    expect_less(s.y[s.best], 0.5);
}

static void a_number_that_is_none_ends_it(void **state)
{
    (void)state;
    pl_search s = {.low = 1e-6, .high = 1.0, .logarithmic = true, .want = 1.0, .tolerance = 1e-3};
    double x = 0.0;
    assert_true(pl_search_next(&s, &x));
    pl_search_tell(&s, x, (double)NAN);
    assert_false(pl_search_next(&s, &x));
    assert_int_equal(s.end, PL_SEARCH_NO_NUMBER);
    assert_int_equal(s.count, 0);
}

static void whole_numbers_stay_whole(void **state)
{
    (void)state;
    pl_search s = {.low = 1, .high = 1000, .logarithmic = true, .whole = true, .tolerance = 1e-3};
    s.start = 20;
    s.want = 77.4 * 77.4;
    for (double x = 0; pl_search_next(&s, &x);) {
        expect_close(x, rint(x), 0);
        pl_search_tell(&s, x, x * x);
    }
    assert_int_equal(s.end, PL_SEARCH_NEAREST);
    expect_close(s.x[s.best], 77.0, 0.0);
}

/* A dip in a plateau, and a rise behind it: what a rounded error does under a strength. */
static double dip(double x, double at)
{
    const double d = log10(x / at);
    return 1.0 + 0.3 * x / at / 10.0 - 0.2 * exp(-d * d);
}

static void the_least_is_found(void **state)
{
    (void)state;
    pl_rng rng;
    pl_rng_init(&rng, 7);
    for (int i = 0; i < 200; i++) {
        const double at = between(&rng, 1e-6, 1e-2);
        pl_search s = {
            .low = 1e-8, .high = 1.0, .logarithmic = true, .least = true, .tolerance = 0.15};
        s.start = at * between(&rng, 0.03, 100);
        s.start = s.start < 1.0 ? s.start : 1.0;
        for (double x = 0; pl_search_next(&s, &x);) {
            pl_search_tell(&s, x, dip(x, at));
        }
        double least = 1e9;
        for (double d = -3; d < 3; d += 1e-3) {
            least = fmin(least, dip(at * pow(10.0, d), at));
        }
        assert_int_equal(s.end, PL_SEARCH_FOUND);
        expect_less(s.y[s.best], least + 0.01);
        expect_at_most(s.y[s.best], s.y[0]);
    }
    pl_search rising = {.low = 1e-4, .high = 1.0, .logarithmic = true, .least = true};
    rising.tolerance = 0.1;
    rising.start = 0.1;
    for (double x = 0; pl_search_next(&rising, &x);) {
        pl_search_tell(&rising, x, x);
    }
    assert_int_equal(rising.end, PL_SEARCH_FOUND);
    expect_close(rising.x[rising.best], 1e-4, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_monotone_function_is_met),
        cmocka_unit_test(what_lies_beyond_the_range_is_said),
        cmocka_unit_test(plateaus_are_crossed),
        cmocka_unit_test(a_step_is_met_as_near_as_it_can_be),
        cmocka_unit_test(a_number_that_is_none_ends_it),
        cmocka_unit_test(whole_numbers_stay_whole),
        cmocka_unit_test(the_least_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
