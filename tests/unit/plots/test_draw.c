#include "plots/draw.h"

#include "tests/support/figures.h"

enum { SAMPLES = 11 };

static pl_figure sample(size_t k)
{
    static const pl_mark marks[] = {PL_MARK_LINE,   PL_MARK_STEPS, PL_MARK_STEMS,
                                    PL_MARK_POINTS, PL_MARK_FAN,   PL_MARK_BOX};
    if (k < 6) {
        return pl_sample_marks(marks[k], k % 2 == 0 ? 3 : 12, 12);
    }
    if (k == 9) {
        return pl_sample_table(12, 4);
    }
    if (k == 10) {
        pl_figure f = pl_sample_heat(24, 90, 3, 7);
        f.relief = true;
        return f;
    }
    pl_figure f = k == 6 ? pl_sample_marks(PL_MARK_BOX, 2, 9) : pl_sample_heat(24, 90, 3, 7);
    if (k == 6) {
        pl_sample_names(&f.x, 9);
    } else {
        pl_sample_names(&f.y, 24);
        pl_sample_series(&f, "massive activations", PL_MARK_POINTS, PL_TONE_AFTER, 5);
    }
    if (k == 8) {
        pl_sample_names(&f.x, 90);
    }
    return f;
}

/* Whether the figure says that it needs more room; only narrow ones with long names may. */
static bool refuses(const pl_figure *f, double w, double h)
{
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_area margins;
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    pl_layout l;
    pl_layout_make(f, fonts, 72 * w, 72 * h, 1, NULL, NULL, &l);
    bool needs = f->table == NULL && w >= 1.25 && h >= 1.25 && l.needs > 0;
    if (needs) {
        expect_less(w, l.needs / 72);
        expect_less(fmin(w, h), 2.1);
        cairo_surface_t *page = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 10, 10);
        cairo_t *cr = cairo_create(page);
        assert_int_equal(pl_draw_panel(cr, f, fonts, 72 * w, 72 * h, 1, NULL, &err), PL_ERR_USAGE);
        pl_check_says(err, "it needs about");
        cairo_destroy(cr);
        cairo_surface_destroy(page);
    } else {
        pl_check_ok(pl_draw_margins(f, fonts, 72 * w, 72 * h, 1, NULL, &margins, &err), err);
    }
    pl_fonts_destroy(fonts);
    return needs;
}

/* Every page keeps a white edge: nothing is cut. */
static void nothing_reaches_the_edges(void **state)
{
    (void)state;
    const double sizes[][2] = {{1, 1},     {1.5, 4},  {3.25, 2.5}, {3.504, 2},
                               {5.5, 3.4}, {6.75, 2}, {7.205, 5},  {10, 8}};
    for (size_t k = 0; k < SAMPLES; k++) {
        pl_figure f = sample(k);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            if (refuses(&f, sizes[i][0], sizes[i][1]) || (f.relief && sizes[i][0] < 2.1)) {
                continue;
            }
            pl_pixels p = pl_sample_draw(&f, sizes[i][0], sizes[i][1], 72, 0, 0, 0, NULL);
            size_t ink = 0;
            for (int x = 0; x < p.width; x++) {
                for (int y = 0; y < p.height; y++) {
                    bool edge = x == 0 || y == 0 || x == p.width - 1 || y == p.height - 1;
                    bool white = pl_pixel_near(pl_pixel(&p, x, y), 0xffffff, 12);
                    assert_true(white || !edge);
                    ink += white ? 0u : 1u;
                }
            }
            expect_less(100, ink);
            free(p.at);
        }
        pl_figure_deinit(&f);
    }
}

static void a_panel_is_the_same_anywhere(void **state)
{
    (void)state;
    enum { X = 37, Y = 23, AROUND = 60 };
    for (size_t k = 0; k < SAMPLES; k++) {
        pl_figure f = sample(k);
        pl_draw_options options = {.letter = "b"};
        pl_pixels alone = pl_sample_draw(&f, 3, 2.5, 100, 0, 0, 0, &options);
        pl_pixels moved = pl_sample_draw(&f, 3, 2.5, 100, X, Y, AROUND, &options);
        for (int y = 0; y < moved.height; y++) {
            for (int x = 0; x < moved.width; x++) {
                bool inside = x >= X && x < X + alone.width && y >= Y && y < Y + alone.height;
                uint32_t expected = inside ? pl_pixel(&alone, x - X, y - Y) : 0;
                assert_true(pl_pixel_near(pl_pixel(&moved, x, y), expected, 3));
            }
        }
        free(alone.at);
        free(moved.at);
        pl_figure_deinit(&f);
    }
}

static void text_is_5_to_10_points_for_every_preset(void **state)
{
    (void)state;
    const double widths[] = {3.25, 6.75, 5.5, 89 / 25.4, 183 / 25.4, 6.4, 3.03, 6.3};
    const double shapes[] = {0.5, 0.62, 0.75, 1, 1.4};
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    pl_figure f = sample(7);
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = 0; j < 5; j++) {
            for (size_t grid = 1; grid <= 3; grid++) { /* panels side by side */
                double w = 72 * widths[i] / (double)grid;
                pl_layout l;
                pl_layout_make(&f, fonts, w, w * shapes[j], 0.24, NULL, NULL, &l);
                expect_at_most(5, l.text);
                expect_at_most(l.text, 10);
                expect_at_most(5, l.small);
                expect_at_most(l.small, l.text);
                expect_at_most(0.25, l.spine); /* a hairline that print shows */
            }
        }
    }
    pl_draw_options slide = {.text = 16};
    pl_layout l;
    pl_layout_make(&f, fonts, 720, 405, 0.24, &slide, NULL, &l);
    pl_check_close(l.text, 16, 0, 0);
    expect_less(12, l.small);
    expect_less(4, l.tick);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

/* An upright label beside a low plot ends above the x label and the legend, on more lines if need
 * be. */
static void labels_beside_the_plot_leave_what_is_below_alone(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    pl_figure f = sample(7);
    pl_check_ok(pl_figure_texts(&f, "a title", "largest over median channel maximum",
                                "share of the KL divergence, %", &err),
                err);
    const pl_strip legend = {.below = 60};
    const pl_draw_options options = {.text = 9};
    pl_layout l;
    pl_layout_make(&f, fonts, 238, 158, 0.24, &options, &legend, &l);
    expect_less(0, l.y_label.n);
    expect_less(l.plot.y1, l.floor);
    expect_at_most(l.floor, l.x_label_y);
    expect_at_most(l.heading.height + l.y_label.width, l.floor);
    pl_check_close(pl_layout_floor(&l, &l.y_label, l.heading.height), l.floor, 0, 0);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

static void shared_axes_give_their_room_back(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    pl_figure f = sample(4);
    pl_area own;
    pl_area bare;
    pl_area kept;
    pl_draw_options options = {.no_x_label = true, .no_y_label = true};
    pl_check_ok(pl_draw_margins(&f, fonts, 240, 180, 0.24, NULL, &own, &err), err);
    pl_check_ok(pl_draw_margins(&f, fonts, 240, 180, 0.24, &options, &bare, &err), err);
    expect_less(bare.x0, 0.4 * own.x0);
    expect_less(bare.y1, 0.4 * own.y1);
    options.margins = (pl_area){own.x0 + 7, own.y0 + 5, own.x1 + 3, own.y1 + 2};
    pl_check_ok(pl_draw_margins(&f, fonts, 240, 180, 0.24, &options, &kept, &err), err);
    pl_check_close(kept.x0, own.x0 + 7, 0, 0.25);
    pl_check_close(kept.y0, own.y0 + 5, 0, 0.25);
    pl_check_close(kept.x1, own.x1 + 3, 0, 0.25);
    pl_check_close(kept.y1, own.y1 + 2, 0, 0.25);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

static size_t dark_in_corner(const pl_pixels *p, int size)
{
    size_t dark = 0;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            dark += (pl_pixel(p, x, y) & 255) < 80 ? 1u : 0u;
        }
    }
    return dark;
}

static void the_letter_is_bold_in_the_corner(void **state)
{
    (void)state;
    pl_figure f = sample(4);
    pl_draw_options options = {.letter = "a"};
    pl_pixels without = pl_sample_draw(&f, 3, 2.5, 200, 0, 0, 0, NULL);
    pl_pixels with = pl_sample_draw(&f, 3, 2.5, 200, 0, 0, 0, &options);
    assert_int_equal(dark_in_corner(&without, 28), 0);
    expect_less(20, dark_in_corner(&with, 28));
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    expect_less(1.05 * pl_fonts_measure(fonts, "a", 8, 0).width,
                pl_fonts_measure_bold(fonts, "a", 8).width);
    pl_fonts_destroy(fonts);
    free(without.at);
    free(with.at);
    pl_figure_deinit(&f);
}

static bool rows_fit(const pl_figure *f, const pl_layout *l, pl_fonts *fonts, bool x)
{
    double end = -INFINITY;
    for (size_t i = 0; i < (x ? l->n_x : l->n_y); i++) {
        const pl_tick *tick = x ? &l->x[i] : &l->y[i];
        if (tick->major) {
            double size = pl_layout_tick_size(l, x ? &f->x : &f->y);
            pl_extent e = pl_fonts_measure(fonts, tick->text, size, 0);
            double at = x ? pl_layout_at_x(l, f, tick->at) : -pl_layout_at_y(l, f, tick->at);
            double half = (x && !l->upright ? e.width : 0.8 * e.height) / 2;
            if (at - half < end) {
                return false;
            }
            end = at + half;
        }
    }
    return true;
}

static void names_never_overlap(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    for (size_t k = 6; k < 9; k++) {
        pl_figure f = sample(k);
        for (double w = 0.6; w < 12; w *= 1.4) {
            for (double h = 0.6; h < 12; h *= 1.4) {
                pl_layout l;
                pl_layout_make(&f, fonts, 72 * w, 72 * h, 0.24, NULL, NULL, &l);
                if (l.needs > 0) {
                    continue; /* it is said, not drawn */
                }
                assert_true(!l.numbers ||
                            (rows_fit(&f, &l, fonts, true) && rows_fit(&f, &l, fonts, false)));
                expect_less(l.plot.x0, l.plot.x1);
                expect_less(l.plot.y0, l.plot.y1);
                expect_at_most(fmax(l.plot.x1, l.bar.x1), l.width);
                expect_at_most(l.plot.y1, l.height);
            }
        }
        pl_figure_deinit(&f);
    }
    pl_fonts_destroy(fonts);
}

static double margin_below(const pl_figure *f, pl_fonts *fonts)
{
    pl_area margins;
    pl_error err = {0};
    pl_check_ok(pl_draw_margins(f, fonts, 3.25 * 72, 2.5 * 72, 0.24, NULL, &margins, &err), err);
    return margins.y1;
}

/* Twelve labels, or any over a heat map, get a strip of their own; two lines in a free corner do
 * not. */
static void a_legend_that_would_hide_data_stands_below(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    pl_figure free_corner = pl_sample_marks(PL_MARK_LINE, 2, 30);
    for (size_t i = 0; i < 60; i++) {
        free_corner.series[i / 30].y[i % 30] = 0.2;
    }
    pl_figure twelve = pl_sample_marks(PL_MARK_LINE, PL_FIGURE_SERIES, 30);
    pl_figure heat = sample(7);
    double plain = margin_below(&free_corner, fonts);
    expect_less(plain + 30, margin_below(&twelve, fonts));
    expect_less(plain + 6, margin_below(&heat, fonts));
    pl_figure_deinit(&free_corner);
    pl_figure_deinit(&twelve);
    pl_figure_deinit(&heat);
    pl_fonts_destroy(fonts);
}

static void a_vertical_rule_crosses_the_plot(void **state)
{
    (void)state;
    const double dpi = 144;
    pl_figure f = pl_sample_marks(PL_MARK_LINE, 1, 30);
    while (f.n_rules > 0) {
        free(f.rules[--f.n_rules].label);
    }
    pl_error err = {0};
    pl_check_ok(pl_figure_rule(&f, 20, true, "knee", &err), err);
    pl_fonts *fonts = NULL;
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    pl_layout l;
    pl_layout_make(&f, fonts, 4 * 72, 3 * 72, 72 / dpi, NULL, NULL, &l);
    pl_pixels p = pl_sample_draw(&f, 4, 3, dpi, 0, 0, 0, NULL);
    int x = (int)(pl_layout_at_x(&l, &f, 20) * dpi / 72);
    int dark = 0;
    int rows = 0;
    for (int y = (int)(l.plot.y0 * 2) + 3; y < (int)(l.plot.y1 * 2) - 3; y++) {
        bool ink = false;
        for (int k = x - 1; k <= x + 1; k++) {
            ink = ink || (pl_pixel(&p, k, y) >> 16) < 120;
        }
        dark += ink ? 1 : 0;
        rows++;
    }
    expect_less(0.55 * rows, dark);
    expect_less(dark, 0.85 * rows); /* dashes: 4 on, 2 off */
    free(p.at);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_reaches_the_edges),
        cmocka_unit_test(a_panel_is_the_same_anywhere),
        cmocka_unit_test(text_is_5_to_10_points_for_every_preset),
        cmocka_unit_test(labels_beside_the_plot_leave_what_is_below_alone),
        cmocka_unit_test(shared_axes_give_their_room_back),
        cmocka_unit_test(the_letter_is_bold_in_the_corner),
        cmocka_unit_test(names_never_overlap),
        cmocka_unit_test(a_legend_that_would_hide_data_stands_below),
        cmocka_unit_test(a_vertical_rule_crosses_the_plot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
