#include "plots/figure.h"

#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>

/* Reads a tick's text back: real minus, mantissa, times, ten with superscripts. */
static double read_back(const char *text)
{
    static const char *const digits[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                         "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    char plain[96];
    size_t used = 0;
    bool power = false;
    while (*text != '\0') {
        if (strncmp(text, "\u2212", 3) == 0) {
            plain[used++] = '-';
            text += 3;
            continue;
        }
        if (strncmp(text, "\u00d7", 2) == 0) {
            assert_int_equal(strncmp(text, "\u00d710", 4), 0);
            plain[used++] = 'e';
            text += 4;
            power = true;
            continue;
        }
        if (strncmp(text, "\u207b", 3) == 0) {
            assert_true(power || used == 2);
            memmove(plain + used, power ? "-" : "e-", power ? 1 : 2);
            used += power ? 1 : 2;
            text += 3;
            power = true;
            continue;
        }
        bool found = false;
        for (int d = 0; d < 10 && !found; d++) {
            size_t length = strlen(digits[d]);
            if (strncmp(text, digits[d], length) == 0) {
                if (!power) {
                    plain[used++] = 'e';
                    power = true;
                }
                plain[used++] = (char)('0' + d);
                text += length;
                found = true;
            }
        }
        if (!found) {
            plain[used++] = *text++;
        }
    }
    plain[used] = '\0';
    if (strncmp(plain, "10e", 3) == 0) {
        memmove(plain + 1, plain + 2, used - 1); /* 10^n is 1en */
    }
    char *end = NULL;
    double value = strtod(plain, &end);
    assert_int_equal(*end, '\0');
    return value;
}

static size_t check_axis(const pl_axis *axis, size_t wanted)
{
    pl_tick ticks[PL_MAX_TICKS];
    size_t count = pl_ticks(axis, wanted, ticks);
    expect_at_most(count, PL_MAX_TICKS);
    size_t majors = 0;
    for (size_t i = 0; i < count; i++) {
        expect_at_most(axis->lo, ticks[i].at);
        expect_at_most(ticks[i].at, axis->hi);
        if (i > 0) {
            expect_less(ticks[i - 1].at, ticks[i].at);
        }
        assert_int_equal(ticks[i].major, ticks[i].text[0] != '\0');
        assert_non_null(memchr(ticks[i].text, '\0', PL_TICK_TEXT));
        assert_null(strchr(ticks[i].text, '-'));
        if (ticks[i].major) {
            pl_check_close(read_back(ticks[i].text), ticks[i].at, 1e-9,
                           1e-9 * (axis->hi - axis->lo));
            majors++;
        }
        if (axis->whole) {
            expect_close(ticks[i].at, floor(ticks[i].at), 0);
        }
    }
    return majors;
}

static void linear_axes_have_nice_ticks(void **state)
{
    (void)state;
    const double ranges[][2] = {{0, 1},        {-1.3, 1.05},  {0, 1e-7},  {0, 3.2e8},
                                {-5e-6, 2e-6}, {99.9, 100},   {-3, -2},   {1e6, 1e6 + 3},
                                {0, 1e-40},    {-1e30, 1e30}, {0, 11008}, {0.0499, 0.0501}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        for (size_t wanted = 1; wanted <= 10; wanted++) {
            pl_axis axis = {.lo = ranges[i][0], .hi = ranges[i][1]};
            size_t majors = check_axis(&axis, wanted);
            expect_at_most(majors, 10);
            expect_at_most((wanted > 2 ? 2 : 0), majors);
            if (wanted >= 4) {
                expect_at_most(majors, wanted + 4);
            }
        }
    }
}

static void random_axes_hold_the_rules(void **state)
{
    (void)state;
    unsigned long long seed = 12345;
    for (int i = 0; i < 4000; i++) {
        double u[3];
        for (int k = 0; k < 3; k++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            u[k] = (double)(seed >> 11) / 9007199254740992.0;
        }
        double lo = (u[0] - 0.5) * pow(10, 30 * (u[1] - 0.5));
        double span = pow(10, 20 * (u[2] - 0.5)) * fmax(fabs(lo), 1e-12) + fabs(lo) * 1e-8;
        pl_axis axis = {.lo = lo, .hi = lo + span};
        check_axis(&axis, 1 + (size_t)i % 10);
        pl_axis logarithmic = {.log = true, .lo = fabs(lo) + 1e-30, .hi = fabs(lo) + 1e-30 + span};
        check_axis(&logarithmic, 1 + (size_t)i % 10);
    }
}

static void log_axes_mark_decades(void **state)
{
    (void)state;
    pl_axis axis = {.log = true, .lo = 0.5, .hi = 2e5};
    pl_tick ticks[PL_MAX_TICKS];
    size_t count = pl_ticks(&axis, 8, ticks);
    const char *const expected[] = {"10\u2070", "10\u00b9", "10\u00b2",
                                    "10\u00b3", "10\u2074", "10\u2075"};
    size_t majors = 0;
    for (size_t i = 0; i < count; i++) {
        if (ticks[i].major) {
            expect_less(majors, 6);
            assert_string_equal(ticks[i].text, expected[majors]);
            majors++;
        }
    }
    assert_int_equal(majors, 6);
    assert_int_equal(count, 6 + 5 + 5 * 8 + 1); /* 0.5 ... 0.9, five decades' 2 ... 9, 2e5 */
    axis = (pl_axis){.log = true, .lo = 0.12, .hi = 4};
    expect_at_most(4, check_axis(&axis, 8));
    axis = (pl_axis){.log = true, .lo = 0.31, .hi = 0.34};
    expect_at_most(2, check_axis(&axis, 5));
    axis = (pl_axis){.log = true, .lo = 1e-12, .hi = 1e12};
    size_t few = check_axis(&axis, 6);
    expect_at_most(4, few);
    expect_at_most(few, 7);
}

static void whole_axes_have_whole_ticks(void **state)
{
    (void)state;
    for (size_t n = 1; n < 3000; n = n * 2 + 1) {
        pl_axis axis = {.lo = -0.6, .hi = (double)n - 0.4, .whole = true};
        expect_at_most(1, check_axis(&axis, 6));
    }
}

static void texts_are_typographic(void **state)
{
    (void)state;
    pl_tick ticks[PL_MAX_TICKS];
    pl_axis axis = {.lo = -1, .hi = 1};
    size_t count = pl_ticks(&axis, 5, ticks);
    expect_less(4, count);
    assert_string_equal(ticks[0].text, "\u22121.0");
    axis = (pl_axis){.lo = 0, .hi = 4e-7};
    count = pl_ticks(&axis, 5, ticks);
    assert_string_equal(ticks[0].text, "0");
    assert_string_equal(ticks[count - 1].text, "4\u00d710\u207b\u2077");
    axis = (pl_axis){.lo = 0, .hi = 1000000};
    count = pl_ticks(&axis, 5, ticks);
    assert_string_equal(ticks[count - 1].text, "1000000");
}

static void bad_axes_have_no_ticks(void **state)
{
    (void)state;
    pl_tick ticks[PL_MAX_TICKS];
    const pl_axis bad[] = {{.lo = 1, .hi = 1},
                           {.lo = 2, .hi = 1},
                           {.lo = NAN, .hi = 1},
                           {.lo = 0, .hi = INFINITY},
                           {.log = true, .lo = 0, .hi = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pl_ticks(&bad[i], 5, ticks), 0);
    }
}

static void names_take_the_place_of_numbers(void **state)
{
    (void)state;
    char *names[30];
    char texts[30][64];
    for (int i = 0; i < 30; i++) {
        snprintf(texts[i], sizeof texts[i], i == 10 ? "\u2581%060d" : "block %d", i);
        names[i] = texts[i];
    }
    names[0] = NULL;
    pl_axis axis = {.lo = -0.5, .hi = 29.5, .names = names, .n_names = 30};
    pl_tick ticks[PL_MAX_TICKS];
    assert_int_equal(pl_ticks(&axis, 30, ticks), 30);
    assert_string_equal(ticks[0].text, "");
    assert_string_equal(ticks[29].text, "block 29");
    assert_string_equal(ticks[10].text, names[10]); /* nothing is cut */
    assert_int_equal(pl_ticks(&axis, 8, ticks), 6); /* every fifth */
    pl_check_close(ticks[5].at, 25, 0, 0);
    assert_true(ticks[5].major);
    assert_string_equal(ticks[1].text, "block 5");
    axis.downward = true; /* the last is read first */
    assert_int_equal(pl_ticks(&axis, 8, ticks), 6);
    assert_string_equal(ticks[5].text, "block 29");
    assert_string_equal(ticks[0].text, "block 4");
    axis.downward = false;
    assert_int_equal(pl_ticks(&axis, 1, ticks), 1);
    axis.lo = 12.2; /* zoomed */
    axis.hi = 16.9;
    assert_int_equal(pl_ticks(&axis, 10, ticks), 4);
    assert_string_equal(ticks[0].text, "block 13");
    axis.lo = 40;
    axis.hi = 50;
    assert_int_equal(pl_ticks(&axis, 10, ticks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_axes_have_nice_ticks),
        cmocka_unit_test(random_axes_hold_the_rules),
        cmocka_unit_test(log_axes_mark_decades),
        cmocka_unit_test(whole_axes_have_whole_ticks),
        cmocka_unit_test(texts_are_typographic),
        cmocka_unit_test(bad_axes_have_no_ticks),
        cmocka_unit_test(names_take_the_place_of_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
