#include "plots/palette.h"
#include "plots/style.h"

#include "tests/support/check.h"
#include "tests/support/colour.h"

#include <math.h>

static void unpack(uint32_t colour, double rgb[3])
{
    rgb[0] = (colour >> 16 & 255) / 255.0;
    rgb[1] = (colour >> 8 & 255) / 255.0;
    rgb[2] = (colour & 255) / 255.0;
}

static void differences_are_those_of_the_standard(void **state)
{
    (void)state;
    /* Sharma, Wu, Dalal (2005), table 1: pairs 1, 7, 13, 17, 25. */
    const struct {
        pl_lab_colour p, q;
        double expected;
    } pairs[] = {
        {{50, 2.6772, -79.7751}, {50, 0, -82.7485}, 2.0425},
        {{50, 0, 0}, {50, -1, 2}, 2.3669},
        {{50, -0.0010, 2.49}, {50, 0.0009, -2.49}, 4.8045},
        {{50, 2.5, 0}, {73, 25, -18}, 27.1492},
        {{60.2574, -34.0099, 36.2677}, {60.4626, -34.1751, 39.4387}, 1.2644},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        pl_check_close(pl_colour_difference(pairs[i].p, pairs[i].q), pairs[i].expected, 0, 6e-5);
    }
    const double white[3] = {1, 1, 1};
    pl_check_close(pl_colour_lab(white, 0).l, 100, 0, 1e-3);
}

static void palettes_rise_in_lightness(void **state)
{
    (void)state;
    const pl_colormap palettes[] = {PL_PALETTE_VIRIDIS, PL_PALETTE_CIVIDIS};
    for (size_t p = 0; p < 2; p++) {
        for (int vision = 0; vision < PL_VISIONS; vision++) {
            double before = -1;
            double first = 0;
            for (int i = 0; i < PL_PALETTE_SIZE; i++) {
                double rgb[3];
                unpack(pl_palette_at(palettes[p], i / (PL_PALETTE_SIZE - 1.0)), rgb);
                double l = pl_colour_lab(rgb, vision).l;
                /* Whole bytes may stand still for an entry; nothing goes back by more. */
                expect_less(before - (vision == 0 ? 0.15 : 0.6), l);
                first = i == 0 ? l : first;
                before = fmax(before, l);
            }
            expect_less(60, before - first);
        }
    }
}

static void palettes_are_the_published_ones(void **state)
{
    (void)state;
    assert_int_equal(pl_palette_at(PL_PALETTE_VIRIDIS, 0), 0x440154);
    assert_int_equal(pl_palette_at(PL_PALETTE_VIRIDIS, 1), 0xfde725);
    assert_int_equal(pl_palette_at(PL_PALETTE_VIRIDIS, 128 / 255.0), 0x21918c);
    assert_int_equal(pl_palette_at(PL_PALETTE_CIVIDIS, 0), 0x00224e);
    assert_int_equal(pl_palette_at(PL_PALETTE_CIVIDIS, 1), 0xfee838);
    assert_int_equal(pl_palette_at(PL_PALETTE_VIRIDIS, -3), 0x440154);
    assert_int_equal(pl_palette_at(PL_PALETTE_VIRIDIS, INFINITY), 0xfde725);
    assert_int_equal(pl_palette_at(PL_PALETTE_VIRIDIS, NAN), 0x440154);
}

static void values_find_their_colours(void **state)
{
    (void)state;
    pl_heat linear = {.lo = -1, .hi = 3};
    pl_check_close(pl_heat_part(&linear, 0), 0.25, 0, 1e-12);
    pl_check_close(pl_heat_part(&linear, 9), 1, 0, 0);
    assert_true(isnan(pl_heat_part(&linear, NAN)));
    pl_heat log = {.lo = 0.01, .hi = 100, .log = true};
    pl_check_close(pl_heat_part(&log, 1), 0.5, 0, 1e-12);
    pl_check_close(pl_heat_part(&log, 0), 0, 0, 0);
    pl_check_close(pl_heat_part(&log, -5), 0, 0, 0);
}

static void tone_colour(int tone, double rgb[3])
{
    const pl_style *style = pl_style_of((pl_tone)tone);
    rgb[0] = style->red;
    rgb[1] = style->green;
    rgb[2] = style->blue;
}

static void tones_differ_in_every_vision(void **state)
{
    (void)state;
    for (int vision = 0; vision < PL_VISIONS; vision++) {
        for (int i = 0; i < PL_TONE_COUNT; i++) {
            for (int j = 0; j < i; j++) {
                double p[3];
                double q[3];
                tone_colour(i, p);
                tone_colour(j, q);
                double d = pl_colour_difference(pl_colour_lab(p, vision), pl_colour_lab(q, vision));
                expect_less(10, d);
            }
        }
    }
}

static double contrast(const double rgb[3])
{
    double y = 0.2126 * pl_colour_linear(rgb[0]) + 0.7152 * pl_colour_linear(rgb[1]) +
               0.0722 * pl_colour_linear(rgb[2]);
    return 1.05 / (y + 0.05);
}

static bool same_dash(const pl_style *p, const pl_style *q)
{
    for (int k = 0; k < PL_STYLE_DASHES; k++) {
        if (p->dash[k] != q->dash[k]) {
            return false;
        }
    }
    return true;
}

/* Without colour: by lightness, by dashes, or by a marker on the line. */
static void tones_differ_in_grey(void **state)
{
    (void)state;
    for (int i = 0; i < PL_TONE_COUNT; i++) {
        double p[3];
        tone_colour(i, p);
        expect_less(2, contrast(p));
        for (int j = 0; j < i; j++) {
            double q[3];
            tone_colour(j, q);
            const pl_style *a = pl_style_of((pl_tone)i);
            const pl_style *b = pl_style_of((pl_tone)j);
            double lightness = fabs(pl_colour_lab(p, 0).l - pl_colour_lab(q, 0).l);
            bool marked = a->on_line != b->on_line ||
                          (a->on_line && (a->marker != b->marker || a->open != b->open));
            if (same_dash(a, b) && !marked) {
                expect_at_most(10, lightness);
            }
            /* Single points have nothing but their shape. */
            assert_true(a->marker != b->marker || a->open != b->open);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_those_of_the_standard),
        cmocka_unit_test(palettes_rise_in_lightness),
        cmocka_unit_test(palettes_are_the_published_ones),
        cmocka_unit_test(values_find_their_colours),
        cmocka_unit_test(tones_differ_in_every_vision),
        cmocka_unit_test(tones_differ_in_grey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
