/* Where things stand on a page: the frames of a grid in line, legends off the data, texts whole. */
#include "plots/ink.h"
#include "plots/legend.h"
#include "plots/sheet.h"
#include "plots/wrap.h"

#include "tests/support/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PIXELS = 300 };

static const double pixel = 72.0 / PIXELS;

static void sample_panels(pl_figure panels[6])
{
    panels[0] = pl_sample_marks(PL_MARK_LINE, 8, 30);
    panels[1] = pl_sample_heat(24, 90, 3, 7);
    panels[2] = pl_sample_marks(PL_MARK_STEMS, 2, 60);
    panels[3] = pl_sample_marks(PL_MARK_BOX, 2, 9);
    panels[4] = pl_sample_marks(PL_MARK_FAN, 2, 40);
    panels[5] = pl_sample_marks(PL_MARK_STEPS, 3, 40);
    pl_error err = {0};
    pl_check_ok(pl_figure_names(&panels[1].y, 24, &err), err);
    for (size_t i = 0; i < 24; i++) {
        pl_check_ok(pl_figure_text(&panels[1].y.names[i], "12.down_proj", &err), err);
    }
    pl_check_ok(
        pl_figure_text(&panels[4].title, "another title, longer than its neighbours' are", &err),
        err);
    panels[5].y.hi = 2e5; /* wider numbers */
}

static void check_line(const double *at, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        pl_check_close(round(at[i] / pixel), round(at[0] / pixel), 0, 1e-9);
    }
}

/* Every pixel position of a row's upper and lower, a column's left and right lines is one. */
static void frames_share_their_lines(void **state)
{
    (void)state;
    const size_t shapes[][2] = {{2, 3}, {3, 2}, {1, 3}, {2, 2}};
    const double sizes[][2] = {{6.75, 4}, {5.5, 6}, {6.75, 2.4}, {7.2, 5}};
    pl_figure panels[6];
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    sample_panels(panels);
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    for (size_t k = 0; k < 4; k++) {
        const size_t rows = shapes[k][0], cols = shapes[k][1];
        const pl_sheet sheet = {.rows = rows, .cols = cols, .panels = panels, .letters = true};
        pl_area f[PL_SHEET_PANELS];
        pl_check_ok(
            pl_sheet_frames(&sheet, fonts, 72 * sizes[k][0], 72 * sizes[k][1], pixel, f, &err),
            err);
        for (size_t r = 0; r < rows; r++) {
            double top[3], bottom[3];
            for (size_t c = 0; c < cols; c++) {
                top[c] = f[r * cols + c].y0;
                bottom[c] = f[r * cols + c].y1;
                expect_less(20, bottom[c] - top[c]);
            }
            check_line(top, cols);
            check_line(bottom, cols);
        }
        for (size_t c = 0; c < cols; c++) {
            double left[3], right[3];
            for (size_t r = 0; r < rows; r++) {
                left[r] = f[r * cols + c].x0;
                right[r] = f[r * cols + c].x1;
                expect_less(20, right[r] - left[r]);
            }
            check_line(left, rows);
            check_line(right, rows);
        }
    }
    for (size_t i = 0; i < 6; i++) {
        pl_figure_deinit(&panels[i]);
    }
    pl_fonts_destroy(fonts);
}

/* The same by the picture: the dark lines of two frames side by side begin and end at one row. */
static void frames_are_drawn_where_they_are_said(void **state)
{
    (void)state;
    enum { W = 1350, H = 500 };
    pl_figure panels[6];
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    sample_panels(panels);
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    const pl_sheet sheet = {.rows = 1, .cols = 3, .panels = panels};
    const double width = W * 0.36, height = H * 0.36;
    pl_area f[PL_SHEET_PANELS];
    pl_check_ok(pl_sheet_frames(&sheet, fonts, width, height, 0.36, f, &err), err);
    cairo_surface_t *page = cairo_image_surface_create(CAIRO_FORMAT_RGB24, W, H);
    cairo_t *cr = cairo_create(page);
    cairo_scale(cr, 1 / 0.36, 1 / 0.36);
    pl_check_ok(pl_sheet_draw(cr, &sheet, fonts, width, height, 0.36, &err), err);
    cairo_destroy(cr);
    cairo_surface_flush(page);
    const unsigned char *at = cairo_image_surface_get_data(page);
    const size_t stride = (size_t)cairo_image_surface_get_stride(page);
    for (size_t i = 0; i < 3; i++) {
        const double x = (f[i].x0 + f[i].x1) / 2;
        for (int k = 0; k < 2; k++) {
            const double y = k == 0 ? f[i].y0 : f[i].y1;
            size_t dark = 0; /* along the line, from a quarter to the middle */
            size_t from = (size_t)((f[i].x0 + x) / 2 / 0.36), to = (size_t)(x / 0.36);
            for (size_t j = from; j < to; j++) {
                dark += at[(size_t)(y / 0.36) * stride + 4 * j] < 90 ? 1 : 0;
            }
            expect_at_most(0.9 * (double)(to - from), (double)dark);
        }
    }
    cairo_surface_destroy(page);
    for (size_t i = 0; i < 6; i++) {
        pl_figure_deinit(&panels[i]);
    }
    pl_fonts_destroy(fonts);
}

/* --- legends ---------------------------------------------------------------------------------- */

/* Where what pl_legend_draw draws stands; empty if it draws nothing. */
static pl_area drawn_legend(const pl_figure *f, const pl_layout *l, pl_fonts *fonts, pl_ink *ink)
{
    double x = 0, y = 0, width = 0, height = 0;
    cairo_surface_t *page = cairo_recording_surface_create(CAIRO_CONTENT_COLOR_ALPHA, NULL);
    cairo_t *cr = cairo_create(page);
    pl_legend_draw(cr, f, l, fonts, ink);
    assert_int_equal(cairo_status(cr), CAIRO_STATUS_SUCCESS);
    cairo_recording_surface_ink_extents(page, &x, &y, &width, &height);
    cairo_destroy(cr);
    cairo_surface_destroy(page);
    return (pl_area){x, y, x + width, y + height};
}

/* Ink of the marks alone below a rectangle of the page. */
static double marks_below(const pl_figure *f, const pl_layout *l, pl_area rect)
{
    pl_ink ink = {0};
    pl_error err = {0};
    pl_check_ok(pl_ink_init(&ink, l->plot, &err), err);
    pl_check_ok(pl_ink_figure(&ink, f, l, &err), err);
    double cost = pl_ink_cost(&ink, rect);
    pl_ink_deinit(&ink);
    return cost;
}

/* One series of the data needs no legend, unless its author wants it; a method's does. */
static void one_series_speaks_for_itself(void **state)
{
    (void)state;
    pl_figure f = pl_sample_marks(PL_MARK_STEMS, 1, 20);
    pl_figure_options author = {0};
    const pl_draw_options options = {.author = &author};
    f.series[0].tone = PL_TONE_INPUT;
    assert_int_equal(pl_legend_of(&f, NULL), PL_LEGEND_NONE);
    assert_int_equal(pl_legend_of(&f, &options), PL_LEGEND_NONE);
    author.legend = (pl_option_CHOICE){.given = true, .index = PL_LEGEND_AUTO};
    assert_int_equal(pl_legend_of(&f, &options), PL_LEGEND_AUTO);
    author = (pl_figure_options){.names = {.given = true, .text = "1=X"}};
    assert_int_equal(pl_legend_of(&f, &options), PL_LEGEND_AUTO);
    f.series[0].tone = PL_TONE_EXTRA;
    assert_int_equal(pl_legend_of(&f, NULL), PL_LEGEND_AUTO);
    pl_figure_deinit(&f);
}

/* In the plot over no mark, or outside the plot: of samples of every mark and size. */
static void legends_hide_no_data(void **state)
{
    (void)state;
    static const pl_mark marks[] = {PL_MARK_LINE,   PL_MARK_STEPS, PL_MARK_STEMS,
                                    PL_MARK_POINTS, PL_MARK_FAN,   PL_MARK_BOX};
    const double sizes[][2] = {{3.25, 2.44}, {2.2, 2}, {5.5, 3.3}, {6.75, 2.4}};
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    size_t inside = 0, outside = 0;
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    for (size_t k = 0; k < 6 * 4 * 3; k++) {
        const double w = 72 * sizes[k % 4][0], h = 72 * sizes[k % 4][1];
        pl_figure f = pl_sample_marks(marks[k / 4 % 6], 2 + k / 24, 12 + 7 * (k % 5));
        f.y.hi = k % 2 == 0 ? 1.65 : 4; /* with and without room above the data */
        pl_layout l;
        pl_ink ink = {0};
        pl_check_ok(pl_draw_prepare(&f, fonts, w, h, 0.24, NULL, &l, &ink, &err), err);
        pl_area legend = drawn_legend(&f, &l, fonts, &ink);
        expect_less(legend.x0, legend.x1);
        expect_at_most(0, legend.x0);
        expect_at_most(legend.x1, w);
        expect_at_most(legend.y1, h);
        const bool in_plot = legend.y0 < l.plot.y1;
        if (in_plot) {
            pl_check_close(marks_below(&f, &l, legend), 0, 0, 1e-12);
        } else {
            expect_less(l.plot.y1 + l.tick, legend.y0);
        }
        inside += in_plot ? 1 : 0;
        outside += in_plot ? 0 : 1;
        pl_ink_deinit(&ink);
        pl_figure_deinit(&f);
    }
    expect_less(5, inside);
    expect_less(5, outside);
    pl_fonts_destroy(fonts);
}

static void a_legend_stands_where_it_is_wanted(void **state)
{
    (void)state;
    static const char *const places[] = {"none", "below", "right", "corner"};
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    pl_figure f = pl_sample_marks(PL_MARK_FAN, 2, 40);
    for (size_t i = 0; i < 4; i++) {
        pl_figure_options author = {0};
        size_t row = 0;
        while (strcmp(pl_figure_option(row)->name, "legend") != 0) {
            row++;
        }
        pl_check_ok(pl_figure_option_read(&author, row, places[i], &err), err);
        const pl_draw_options options = {.author = &author};
        pl_layout l;
        pl_ink ink = {0};
        pl_check_ok(pl_draw_prepare(&f, fonts, 300, 200, 0.24, &options, &l, &ink, &err), err);
        pl_area at = drawn_legend(&f, &l, fonts, &ink);
        assert_int_equal(at.x1 > at.x0, i > 0);
        if (i == 1) {
            expect_less(l.plot.y1, at.y0);
        }
        if (i == 2) {
            expect_less(l.plot.x1, at.x0);
        }
        if (i == 3) {
            expect_less(l.plot.x0, at.x0);
            expect_less(at.x1, l.plot.x1);
            expect_less(at.y1, l.plot.y1);
        }
        pl_ink_deinit(&ink);
    }
    pl_figure_deinit(&f);
    pl_fonts_destroy(fonts);
}

/* --- texts ------------------------------------------------------------------------------------ */

/* All letters stand on the lines, each line within the room, or the text says what it needs. */
static void texts_are_never_cut(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "short", "relative output error of the layer, over all stored tokens of the text",
        "model.layers.15.self_attn.q_proj.and_a_name_without_any_blank", "a b c d e f g h i j k",
        ""};
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    size_t refused = 0, wrapped = 0;
    for (size_t k = 0; k < 5; k++) {
        for (double room = 12; room < 400; room *= 1.3) {
            pl_wrapped w;
            pl_wrap(fonts, texts[k], 8, room, 3, &w);
            pl_buf all = {0};
            expect_at_most(PL_WRAP_LEAST, w.size + 1e-9);
            for (size_t i = 0; i < w.n; i++) {
                char line[128];
                snprintf(line, sizeof line, "%.*s", (int)w.length[i], texts[k] + w.first[i]);
                double width = pl_fonts_measure(fonts, line, w.size, 0).width;
                expect_at_most(width, fmax(room, w.needs) + 1e-6);
                pl_buf_append(&all, line, strlen(line));
            }
            pl_buf_puts(&all, "");
            const char *c = all.data;
            for (const char *t = texts[k]; *t != '\0'; t++) { /* but for blanks at lines' ends */
                c += *c == *t ? 1 : 0;
                assert_true(c > all.data ? c[-1] == *t || *t == ' ' : *t == ' ');
            }
            assert_int_equal(*c, '\0');
            refused += w.needs > 0 ? 1 : 0;
            wrapped += w.n > 1 ? 1 : 0;
            pl_buf_deinit(&all);
        }
    }
    expect_less(3, refused);
    expect_less(5, wrapped);
    pl_fonts_destroy(fonts);
}

static void what_does_not_fit_says_the_width_it_needs(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    pl_figure f = pl_sample_heat(4, 20, 1, 3);
    pl_check_ok(pl_figure_names(&f.y, 4, &err), err);
    for (size_t i = 0; i < 4; i++) {
        pl_check_ok(pl_figure_text(&f.y.names[i], "a-name-of-many-letters-for-one-token", &err),
                    err);
    }
    cairo_surface_t *page = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 100, 100);
    cairo_t *cr = cairo_create(page);
    assert_int_equal(pl_draw_panel(cr, &f, fonts, 110, 110, 1, NULL, &err), PL_ERR_USAGE);
    pl_check_says(err, "does not fit a panel of 1.53 x 1.53 in with letters of 5 pt: it needs "
                       "about ");
    pl_check_ok(pl_draw_panel(cr, &f, fonts, 4 * 72, 3 * 72, 1, NULL, &err), err);
    pl_figure table = pl_sample_table(4, 12);
    assert_int_equal(pl_draw_panel(cr, &table, fonts, 150, 110, 1, NULL, &err), PL_ERR_USAGE);
    pl_check_says(err, "a table of 12 columns does not fit 2.08 in with letters of 5 pt");
    cairo_destroy(cr);
    cairo_surface_destroy(page);
    pl_figure_deinit(&f);
    pl_figure_deinit(&table);
    pl_fonts_destroy(fonts);
}

static void a_missing_font_names_its_package(void **state)
{
    (void)state;
    static const char *const packages[] = {"fonts-dejavu-core", "fonts-stix", "fonts-texgyre",
                                           "fonts-liberation"};
    static const char *const nowhere[] = {"/nonexistent"};
    for (size_t i = 0; i < 4; i++) {
        pl_fonts *fonts = NULL;
        pl_error err = {0};
        assert_int_equal(pl_fonts_create_in(nowhere, 1, i, true, &fonts, &err), PL_ERR_NOT_FOUND);
        pl_check_says(err, packages[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_series_speaks_for_itself),
        cmocka_unit_test(frames_share_their_lines),
        cmocka_unit_test(frames_are_drawn_where_they_are_said),
        cmocka_unit_test(legends_hide_no_data),
        cmocka_unit_test(a_legend_stands_where_it_is_wanted),
        cmocka_unit_test(texts_are_never_cut),
        cmocka_unit_test(what_does_not_fit_says_the_width_it_needs),
        cmocka_unit_test(a_missing_font_names_its_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
