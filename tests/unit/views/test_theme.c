/* Every style of every theme can be read on its background. */
#include "views/theme.h"

#include <math.h>
#include <stdio.h>

#include "tests/support/check.h"

/* The ends of what terminals call dark and light. */
static const int dark[] = {16, 234};
static const int light[] = {231, 255};

/* Styles that only draw marks (bars, dots, rules): they need less contrast than text. */
static bool is_mark(pl_style style)
{
    return style == PL_STYLE_BEFORE || style == PL_STYLE_PRECONDITIONED ||
           style == PL_STYLE_AFTER || style == PL_STYLE_INPUT || style == PL_STYLE_RULE ||
           (style >= PL_STYLE_EXTRA && style < PL_STYLE_HEAT);
}

static double luminance(int colour)
{
    static const double weights[] = {0.2126, 0.7152, 0.0722};
    int rgb[3];
    double sum = 0;
    pl_theme_rgb(colour, rgb);
    for (int i = 0; i < 3; i++) {
        double x = rgb[i] / 255.0;
        sum += weights[i] * (x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4));
    }
    return sum;
}

/* (L1 + 0.05) / (L2 + 0.05) of the relative luminances (WCAG 2.1), 1 ... 21; of colours 16 ... 255.
 */
static double contrast_of(int a, int b)
{
    double x = luminance(a);
    double y = luminance(b);
    return (fmax(x, y) + 0.05) / (fmin(x, y) + 0.05);
}

static void check_look(pl_theme theme, bool lit, pl_style style)
{
    pl_look look = pl_theme_look(theme, lit, style);
    double least = is_mark(style) ? 3 : 4.5;
    const int *grounds = lit ? light : dark;
    if (look.bg256 >= 0) {
        expect_at_most(16, look.fg256);
        expect_at_most(4.5, contrast_of(look.fg256, look.bg256));
        return;
    }
    for (size_t i = 0; i < 2 && look.fg256 >= 0; i++) {
        double contrast = contrast_of(look.fg256, grounds[i]);
        if (!(contrast >= least)) {
            fprintf(stderr, "theme %s, style %d: %d on %d has a contrast of %.2f\n",
                    pl_theme_name(theme), (int)style, look.fg256, grounds[i], contrast);
            fail();
        }
    }
}

static void test_contrast(void **state)
{
    (void)state;
    for (pl_style style = 0; style < PL_STYLE_COUNT; style++) {
        check_look(PL_THEME_DARK, false, style);
        check_look(PL_THEME_LIGHT, true, style);
        check_look(PL_THEME_SAFE, false, style);
        check_look(PL_THEME_SAFE, true, style);
    }
}

/* Only the header's bar and the cells of heat maps are painted. */
static void test_background_is_the_terminals(void **state)
{
    (void)state;
    for (pl_theme theme = 0; theme < PL_THEME_COUNT; theme++) {
        for (pl_style style = 0; style < PL_STYLE_COUNT; style++) {
            pl_look look = pl_theme_look(theme, false, style);
            bool painted = style == PL_STYLE_BAR || style >= PL_STYLE_HEAT;
            assert_true(look.bg256 < 0 || painted);
            if (theme == PL_THEME_NONE) {
                expect_less(look.fg256, 0);
                expect_less(look.bg256, 0);
            }
        }
    }
}

/* Good and bad differ by more than red and green, and without colours by weight. */
static void test_good_and_bad(void **state)
{
    (void)state;
    for (pl_theme theme = 0; theme < PL_THEME_NONE; theme++) {
        for (int lit = 0; lit < 2; lit++) {
            int good[3];
            int bad[3];
            pl_theme_rgb(pl_theme_look(theme, lit == 1, PL_STYLE_GOOD).fg256, good);
            pl_theme_rgb(pl_theme_look(theme, lit == 1, PL_STYLE_BAD).fg256, bad);
            expect_at_most(80, good[2] - bad[2]); /* blue */
        }
    }
    assert_int_not_equal(pl_theme_look(PL_THEME_NONE, false, PL_STYLE_GOOD).plain_flags,
                         pl_theme_look(PL_THEME_NONE, false, PL_STYLE_BAD).plain_flags);
}

static void test_names_and_numbers(void **state)
{
    (void)state;
    for (pl_theme theme = 0; theme < PL_THEME_COUNT; theme++) {
        assert_int_equal(pl_theme_find(pl_theme_name(theme)), theme);
    }
    assert_int_equal(pl_theme_find("puce"), PL_THEME_COUNT);
    assert_int_equal(pl_theme_find(""), PL_THEME_COUNT);
    pl_check_close(contrast_of(16, 231), 21, 1e-12, 0);
    pl_check_close(contrast_of(231, 231), 1, 1e-12, 0);
    /* WCAG's own: #767676 on white is the lightest grey of 4.5. */
    pl_check_close(contrast_of(243, 231), 4.542, 1e-3, 0);
    int rgb[3];
    pl_theme_rgb(208, rgb);
    assert_int_equal(rgb[0], 255);
    assert_int_equal(rgb[1], 135);
    assert_int_equal(rgb[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contrast),
        cmocka_unit_test(test_background_is_the_terminals),
        cmocka_unit_test(test_good_and_bad),
        cmocka_unit_test(test_names_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
