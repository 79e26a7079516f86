#include "plots/spread.h"
#include "plots/style.h"

#include "tests/support/figures.h"

static pl_layout plain_layout(void)
{
    return (pl_layout){.pixel = 0.24, .small = 8, .scale = 1, .plot = {10, 10, 310, 210}};
}

static void fans_keep_all_extremes(void **state)
{
    (void)state;
    enum { COUNT = 100000, AT = 54321 };
    pl_figure f = {0};
    pl_sample_axes(&f, COUNT, "channel");
    pl_series *series = pl_sample_series(&f, "", PL_MARK_FAN, PL_TONE_BEFORE, COUNT);
    series->y[AT * PL_SPREAD] = 0.01;
    series->y[AT * PL_SPREAD + 3] = 0.98;
    series->y[AT * PL_SPREAD + 6] = 1.99;
    pl_layout layout = plain_layout();
    pl_column *columns = NULL;
    size_t count = 0;
    pl_error err = {0};
    pl_check_ok(pl_spread_columns(&f, &layout, series, &columns, &count, &err), err);
    expect_less(1000, count);
    expect_at_most(count, 1251);
    double x = pl_layout_at_x(&layout, &f, AT);
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        const pl_column *c = &columns[i];
        for (size_t k = 1; k < PL_SPREAD; k++) {
            expect_at_most(c->y[k], c->y[k - 1]);
            expect_at_most(c->top, c->y[3]);
            expect_at_most(c->y[4], c->top);
        }
        if (fabs(c->x - x) <= layout.pixel) {
            found = found || (fabs(c->y[0] - pl_layout_at_y(&layout, &f, 0.01)) < 1e-9 &&
                              fabs(c->y[6] - pl_layout_at_y(&layout, &f, 1.99)) < 1e-9 &&
                              fabs(c->y[3] - pl_layout_at_y(&layout, &f, 0.98)) < 1e-9);
        }
    }
    assert_true(found);
    free(columns);
    pl_figure_deinit(&f);
}

static void boxes_stand_side_by_side(void **state)
{
    (void)state;
    pl_layout layout = plain_layout();
    for (size_t n_series = 1; n_series <= 4; n_series++) {
        pl_figure f = pl_sample_marks(PL_MARK_BOX, n_series, 10);
        double unit = 300.0 / 10;
        double end = -0.5 * unit;
        for (size_t i = 0; i < n_series; i++) {
            double shift = 0;
            double width = pl_spread_width(&f, &layout, &f.series[i], &shift);
            expect_less(2, width);
            expect_at_most(end, shift - width / 2);
            end = shift + width / 2;
        }
        expect_at_most(end, 0.5 * unit);
        pl_figure_deinit(&f);
    }
    /* Given apart, they stay where they are, and as narrow as their distance asks. */
    pl_figure f = pl_sample_marks(PL_MARK_BOX, 2, 10);
    for (size_t i = 0; i < 10; i++) {
        f.series[1].x[i] += 0.3;
    }
    double shift = 1;
    double width = pl_spread_width(&f, &layout, &f.series[1], &shift);
    expect_at_most(width, 9);
    expect_less(2, width);
    pl_check_close(shift, 0, 0, 0);
    pl_figure_deinit(&f);
}

static void crowded_boxes_become_a_fan(void **state)
{
    (void)state;
    pl_layout layout = plain_layout();
    pl_figure f = pl_sample_marks(PL_MARK_BOX, 2, 2000);
    double shift = 1;
    pl_check_close(pl_spread_width(&f, &layout, &f.series[0], &shift), 0, 0, 0);
    pl_check_close(shift, 0, 0, 0);
    pl_figure_deinit(&f);
}

/* Darkness of a pixel, 0 ... 255. */
static int ink_at(const pl_pixels *p, double x, double y, double dpi)
{
    uint32_t c = pl_pixel(p, (int)(x * dpi / 72), (int)(y * dpi / 72));
    return 255 - (int)((c >> 16 & 255) + (c >> 8 & 255) + (c & 255)) / 3;
}

static void bands_are_darker_inside(void **state)
{
    (void)state;
    const double dpi = 200;
    pl_figure f = {0};
    pl_sample_axes(&f, 50, "channel");
    pl_series *s = pl_sample_series(&f, "", PL_MARK_FAN, PL_TONE_BEFORE, 50);
    static const double flat[PL_SPREAD] = {0.2, 0.4, 0.7, 1.0, 1.3, 1.6, 1.8};
    for (size_t i = 0; i < 50; i++) {
        memcpy(s->y + i * PL_SPREAD, flat, sizeof flat);
    }
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    pl_layout l;
    pl_layout_make(&f, fonts, 4 * 72, 3 * 72, 72 / dpi, NULL, NULL, &l);
    pl_pixels p = pl_sample_draw(&f, 4, 3, dpi, 0, 0, 0, NULL);
    double x = (l.plot.x0 + l.plot.x1) / 2;
    int outside = ink_at(&p, x, pl_layout_at_y(&l, &f, 0.3), dpi);
    int wide = ink_at(&p, x, pl_layout_at_y(&l, &f, 0.55), dpi);
    int narrow = ink_at(&p, x, pl_layout_at_y(&l, &f, 0.85), dpi);
    int median = ink_at(&p, x, pl_layout_at_y(&l, &f, 1.0), dpi);
    assert_int_equal(outside, 0);
    expect_less(10, wide);
    expect_less(wide + 20, narrow);
    expect_less(narrow + 30, median);
    expect_less(30, ink_at(&p, x, pl_layout_at_y(&l, &f, 1.8), dpi));
    free(p.at);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fans_keep_all_extremes),
        cmocka_unit_test(boxes_stand_side_by_side),
        cmocka_unit_test(crowded_boxes_become_a_fan),
        cmocka_unit_test(bands_are_darker_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
