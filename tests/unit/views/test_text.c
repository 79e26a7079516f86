/* Columns, clipping and numbers. */
#include "views/text.h"

#include <locale.h>
#include <math.h>

#include "tests/support/check.h"
#include "views/surface.h"

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(pl_text_width("abc"), 3);
    assert_int_equal(pl_text_width("\u65e5\u672c"), 4);
    assert_int_equal(pl_text_width("e\u0301"), 1);
    assert_int_equal(pl_text_width("\xff"), 1);
    assert_int_equal(pl_text_fit("a\u65e5\u672c", 2), 1);
    assert_int_equal(pl_text_fit("a\u65e5\u672c", 3), 4);
}

static void test_ascii(void **state)
{
    (void)state;
    char out[64];
    pl_text_to_ascii("10\u207b\u00b3 \u2264 \u22124 \u00d7 \u2192 \u65e5", out, sizeof out);
    assert_string_equal(out, "1e-3 <= -4 x -> ?");
    pl_text_to_ascii("\u2016X\u207d\u1d4f\u207e\u2016 \u03bb\u2098\u2090\u2093", out, sizeof out);
    assert_string_equal(out, "||X(k)|| lambdamax");
    pl_text_minus("-0.25", out, sizeof out);
    assert_string_equal(out, "\u22120.25");
    pl_text_minus("-", out, sizeof out); /* no number */
    assert_string_equal(out, "-");
    pl_text_to_ascii("abcdef", out, 4);
    assert_string_equal(out, "abc");
}

static void check_number(double value, const char *expected)
{
    char out[PL_NUMBER_TEXT];
    pl_format_number(value, out);
    assert_string_equal(out, expected);
}

static void check_measured(double value, double error, const char *expected)
{
    char out[PL_MEASURED_TEXT];
    pl_format_measured(value, error, out);
    assert_string_equal(out, expected);
}

static void test_numbers_with_their_errors(void **state)
{
    (void)state;
    check_measured(1.3955496, 0.0249319957, "1.396\u00a0±\u00a00.025");
    check_measured(-0.00141167, 0.00203228, "−0.0014\u00a0±\u00a00.0020");
    check_measured(3.753, 0.1361, "3.75\u00a0±\u00a00.14");
    check_measured(30.2, 0.0996, "30.20\u00a0±\u00a00.10");
    check_measured(16692.3, 1234.5, "16700\u00a0±\u00a01200");
    check_measured(152.51, 12.3, "153\u00a0±\u00a012");
    check_measured(0, 0.5, "0.00\u00a0±\u00a00.50");
    check_measured(1.3955496, NAN, "1.3955");
    check_measured(-1.5, 0, "−1.5");
    check_measured(-0.0004, 0.05, "0.000\u00a0±\u00a00.050");
    check_measured(-12, 2200, "0\u00a0±\u00a02200");
    check_measured(1e20, 1e19, "1e+20");
    check_measured(NAN, 1, "");
}

static void test_numbers(void **state)
{
    (void)state;
    check_number(0, "0");
    check_number(NAN, "-");
    check_number(INFINITY, "inf");
    check_number(0.118, "0.118");
    check_number(0.0102, "0.0102");
    check_number(41.23, "41.2");
    check_number(99.96, "100");
    check_number(1.234e-3, "1.2e-3");
    check_number(3e12, "3.0e12");
    char out[PL_NUMBER_TEXT];
    pl_format_change(2, 1, out);
    assert_string_equal(out, "-50 %");
    pl_format_change(1, 1.032, out);
    assert_string_equal(out, "+3.2 %");
    pl_format_change(0, 1, out);
    assert_string_equal(out, "");
    pl_format_change(NAN, 1, out);
    assert_string_equal(out, "");
    pl_format_seconds(3725, out);
    assert_string_equal(out, "1:02:05");
    pl_format_seconds(12, out);
    assert_string_equal(out, "12 s");
    pl_format_count(273868, out);
    assert_string_equal(out, "273,868");
}

static pl_surface fresh(int rows, int cols)
{
    pl_surface surface = {0};
    pl_error err = {0};
    pl_check_ok(pl_surface_resize(&surface, rows, cols, &err), err);
    return surface;
}

static void test_clipping(void **state)
{
    (void)state;
    pl_surface surface = fresh(2, 8);
    pl_rect rect = {0, 2, 1, 4};
    pl_put(&surface, rect, 0, 2, PL_STYLE_TEXT, "wxyz");
    assert_int_equal(surface.cells[4].code, 'w');
    assert_int_equal(surface.cells[5].code, 'x');
    assert_int_equal(surface.cells[6].code, ' ');
    pl_put(&surface, rect, 1, 0, PL_STYLE_TEXT, "below");
    assert_int_equal(surface.cells[8 + 2].code, ' ');
    /* A wide character is never cut in two. */
    pl_put(&surface, rect, 0, 3, PL_STYLE_TEXT, "\u65e5");
    assert_int_equal(surface.cells[5].code, ' ');
    pl_put(&surface, rect, 0, 0, PL_STYLE_TEXT, "\u65e5");
    assert_int_equal(surface.cells[3].code, 0);
    pl_put(&surface, rect, 0, 1, PL_STYLE_TEXT, "a");
    assert_int_equal(surface.cells[2].code, ' ');
    assert_int_equal(pl_put_cut(&surface, rect, 0, 0, 3, PL_STYLE_TEXT, "abcdef"), 3);
    assert_int_equal(surface.cells[4].code, 0x2026);
    pl_surface_deinit(&surface);
}

static void test_wrap(void **state)
{
    (void)state;
    size_t next = 99;
    assert_int_equal(pl_text_wrap("two words", 20, &next), 9);
    assert_int_equal(next, 9);
    assert_int_equal(pl_text_wrap("two  words", 7, &next), 4);
    assert_int_equal(next, 5);
    assert_int_equal(pl_text_wrap("two words", 3, &next), 3);
    assert_int_equal(next, 4);
    assert_int_equal(pl_text_wrap("gap 12 %", 7, &next), 3);
    assert_int_equal(next, 4);
    assert_int_equal(pl_text_wrap("unbroken", 3, &next), 3);
    assert_int_equal(next, 3);
    assert_int_equal(pl_text_wrap("\u65e5\u672c", 3, &next), 3);
    assert_int_equal(next, 3);
    assert_int_equal(pl_text_wrap("\u65e5", 1, &next), 0);
}

static void test_controls(void **state)
{
    (void)state;
    pl_surface surface = fresh(1, 4);
    pl_rect rect = {0, 0, 1, 4};
    pl_put(&surface, rect, 0, 0, PL_STYLE_TEXT, "\x1b\x07\xc2\x9b");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(surface.cells[i].code, '?');
    }
    pl_surface_deinit(&surface);
}

/* A label that is too long ends where a phrase does. */
static void test_phrases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t columns;
        const char *phrase;
    } cases[] = {
        {"rank of the channel, by falling norm", 36, "rank of the channel, by falling norm"},
        {"rank of the channel, by falling norm", 35, "rank of the channel"},
        {"rank of the channel, by falling norm", 19, "rank of the channel"},
        {"rank of the channel, by falling norm", 18, "rank"},
        {"rank of the channel, by falling norm", 4, "rank"},
        {"rank of the channel, by falling norm", 3, ""},
        {"max |w| per input channel", 20, "max |w|"},
        {"\u03b2 (strength)", 3, "\u03b2"},
        {"offering", 4, ""},
        {"", 4, ""},
        {", x", 1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char part[64];
        snprintf(part, sizeof part, "%.*s", (int)pl_text_phrase(cases[i].text, cases[i].columns),
                 cases[i].text);
        assert_string_equal(part, cases[i].phrase);
    }
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_numbers_with_their_errors),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_phrases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
