#include "plots/draw.h"
#include "plots/ink.h"
#include "plots/legend.h"
#include "plots/marks.h"

#include "tests/support/check.h"
#include "tests/unit/plots/one_figure.h"

#include <math.h>
#include <stdlib.h>

enum { CHANNELS = 100000 };

static pl_figure spike_figure(size_t channel, bool sorted)
{
    float *values = calloc(CHANNELS, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < CHANNELS; i++) {
        values[i] = 0.01f;
    }
    values[channel] = 1;
    pl_channels_data data = {.values = {values},
                             .labels = {""},
                             .tones = {PL_TONE_AFTER},
                             .n_series = 1,
                             .n = CHANNELS,
                             .sorted = sorted};
    pl_figure figure;
    pl_error err = {0};
    pl_check_ok(pl_figure_channels(&data, &figure, &err), err);
    free(values);
    figure.n_notes = 0; /* only the data's own ink counts */
    return figure;
}

/* Pixels of vermillion (mostly red) in each row of an image of the figure, into rows[height]. */
static void count_red(const pl_figure *figure, int width, int height, double dpi, size_t *rows)
{
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *cr = cairo_create(surface);
    cairo_scale(cr, dpi / 72, dpi / 72);
    pl_check_ok(
        draw_whole_figure(cr, figure, fonts, width * 72 / dpi, height * 72 / dpi, 72 / dpi, &err),
        err);
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    const unsigned char *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0; y < height; y++) {
        rows[y] = 0;
        for (int x = 0; x < width; x++) {
            uint32_t pixel;
            memcpy(&pixel, data + (ptrdiff_t)y * stride + 4 * x, sizeof pixel);
            unsigned red = pixel >> 16 & 255;
            unsigned blue = pixel & 255;
            rows[y] += red > blue + 120 ? 1u : 0u;
        }
    }
    cairo_surface_destroy(surface);
    pl_fonts_destroy(fonts);
}

static void one_spike_of_100000_is_drawn(void **state)
{
    (void)state;
    const size_t channels[] = {0, 1, 33333, 77777, CHANNELS - 1};
    const double dpis[] = {72, 100, 150};
    for (size_t k = 0; k < 15; k++) {
        double dpi = dpis[k % 3];
        int width = (int)(6.4 * dpi);
        int height = (int)(4.8 * dpi);
        size_t *rows = calloc((size_t)height, sizeof *rows);
        assert_non_null(rows);
        pl_figure figure = spike_figure(channels[k / 3], false);
        count_red(&figure, width, height, dpi, rows);
        size_t found = 0;
        for (int y = 0; y < height; y++) {
            found += rows[y] > 0 ? 1u : 0u;
        }
        /* The plot is about 0.85 of the page, the spike 1 / 1.06 of it. */
        expect_less((size_t)(0.7 * height), found);
        pl_figure_deinit(&figure);
        free(rows);
    }
}

/* The later of two silhouettes does not hide the earlier one that is lower everywhere: at its
 * height the other tone is gone. */
static void a_covered_silhouette_shows(void **state)
{
    (void)state;
    enum { N = 144, W = 640, H = 480 };
    float low[N], high[N];
    for (size_t i = 0; i < N; i++) {
        low[i] = 0.5f;
        high[i] = 1;
    }
    pl_channels_data data = {.values = {low, high},
                             .labels = {"before", "after"},
                             .tones = {PL_TONE_BEFORE, PL_TONE_AFTER},
                             .n_series = 2,
                             .n = N};
    pl_figure figure;
    pl_error err = {0};
    pl_check_ok(pl_figure_channels(&data, &figure, &err), err);
    figure.n_notes = 0;
    size_t rows[H];
    count_red(&figure, W, H, 100, rows);
    size_t full = 0, covered = 0;
    for (size_t y = H / 4; y < H * 3 / 4; y++) {
        full += rows[y] > W / 2;
        covered += rows[y] < W / 4;
    }
    expect_less(H / 4, full);
    expect_less(0, covered);
    pl_figure_deinit(&figure);
}

static void bars_keep_the_maximum(void **state)
{
    (void)state;
    pl_figure figure = spike_figure(54321, false);
    pl_layout layout = {.pixel = 0.24, .small = 8, .plot = {10, 10, 310, 210}};
    pl_bar *bars = NULL;
    size_t count = 0;
    pl_error err = {0};
    pl_check_ok(pl_marks_bars(&figure, &layout, &figure.series[0], &bars, &count, &err), err);
    expect_less(100, count);
    expect_less(count, 2000);
    size_t tall = 0;
    for (size_t i = 0; i < count; i++) {
        if (bars[i].y0 < 100) {
            pl_check_close(bars[i].y0, pl_layout_at_y(&layout, &figure, 1), 0, 1e-9);
            double x = pl_layout_at_x(&layout, &figure, 54321);
            expect_at_most(bars[i].x0, x);
            expect_at_most(x, bars[i].x1);
            tall++;
        }
    }
    assert_int_equal(tall, 1);
    free(bars);
    pl_figure_deinit(&figure);
}

static void lines_keep_both_extremes(void **state)
{
    (void)state;
    pl_figure figure = spike_figure(1234, true);
    pl_series *series = &figure.series[0];
    series->y[50000] = 0.9;
    series->y[50001] = 0;
    pl_layout layout = {.pixel = 0.24, .small = 8, .plot = {10, 10, 310, 210}};
    pl_point *points = NULL;
    size_t count = 0;
    pl_error err = {0};
    pl_check_ok(pl_marks_points(&figure, &layout, series, &points, &count, &err), err);
    expect_less(count, 4 * 1300);
    bool high = false;
    bool low = false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            expect_at_most(points[i - 1].x - layout.pixel, points[i].x);
        }
        high = high || fabs(points[i].y - pl_layout_at_y(&layout, &figure, 0.9)) < 1e-9;
        low = low || fabs(points[i].y - pl_layout_at_y(&layout, &figure, 0)) < 1e-9;
    }
    assert_true(high);
    assert_true(low);
    free(points);
    pl_figure_deinit(&figure);
}

static void legend_goes_where_it_hides_least(void **state)
{
    (void)state;
    pl_ink ink;
    pl_error err = {0};
    pl_check_ok(pl_ink_init(&ink, (pl_area){0, 0, 200, 100}, &err), err);
    pl_area box;
    assert_true(pl_legend_place(&ink, 50, 20, 4, &box));
    expect_less(190, box.x1);
    expect_less(box.y0, 10); /* empty: upper right */
    pl_ink_add(&ink, (pl_area){100, 0, 200, 30}, PL_INK_EDGE);
    assert_true(pl_legend_place(&ink, 50, 20, 4, &box));
    expect_less(box.x0, 10);
    expect_less(box.y0, 10); /* then upper left */
    pl_ink_add(&ink, (pl_area){0, 0, 100, 40}, PL_INK_BODY);
    assert_true(pl_legend_place(&ink, 50, 20, 4, &box));
    expect_less(190, box.x1);
    expect_less(90, box.y1); /* then lower right */
    pl_check_close(pl_ink_cost(&ink, box), 0, 0, 0);
    assert_false(pl_legend_place(&ink, 250, 20, 4, &box));
    pl_ink_add(&ink, (pl_area){0, 0, 200, 100}, PL_INK_TEXT);
    assert_false(pl_legend_place(&ink, 50, 20, 4, &box));
    assert_true(isinf(pl_ink_cost(&ink, (pl_area){190, 0, 201, 10})));
    pl_ink_deinit(&ink);
}

static void layout_fits_every_page(void **state)
{
    (void)state;
    pl_figure figure = spike_figure(5, false);
    char title[] = "a title that is much longer than any small page could ever show in one line";
    char *kept = figure.title;
    figure.title = title;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    for (double w = 0.5; w <= 40; w *= 1.7) {
        for (double h = 0.5; h <= 40; h *= 1.7) {
            pl_layout l;
            pl_layout_make(&figure, fonts, 72 * w, 72 * h, 0.24, NULL, NULL, &l);
            expect_at_most(0, l.plot.x0);
            expect_at_most(l.plot.x1, 72 * w);
            expect_less(l.plot.x0, l.plot.x1);
            expect_at_most(0, l.plot.y0);
            expect_at_most(l.plot.y1, 72 * h);
            expect_less(l.plot.y0, l.plot.y1);
            expect_at_most(5, l.text);
            expect_at_most(l.text, 10);
            expect_at_most(5, l.small);
            double end = -INFINITY;
            for (size_t i = 0; l.numbers && i < l.n_x; i++) {
                if (l.x[i].major) {
                    double half = pl_fonts_measure(fonts, l.x[i].text, l.small, 0).width / 2;
                    double at = pl_layout_at_x(&l, &figure, l.x[i].at);
                    expect_less(end, at - half);
                    expect_at_most(at + half, 72 * w + 0.5);
                    end = at + half;
                }
            }
        }
    }
    pl_fonts_destroy(fonts);
    figure.title = kept;
    pl_figure_deinit(&figure);
}

static void a_missing_font_is_a_sentence(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    const char *const nowhere[] = {"/nonexistent", "/proc/self/fdinfo"};
    assert_int_equal(pl_fonts_create_in(nowhere, 2, 0, false, &fonts, &err), PL_ERR_NOT_FOUND);
    assert_null(fonts);
    pl_check_says(err, "install the Debian package fonts-dejavu-core");
}

static void long_texts_end_in_an_ellipsis(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    const char *text = "model.layers.15.self_attn.q_proj";
    double whole = pl_fonts_measure(fonts, text, 9, 0).width;
    double cut = pl_fonts_measure(fonts, text, 9, 60).width;
    expect_less(100, whole);
    expect_at_most(cut, 60);
    expect_less(30, cut);
    /* Bytes that are no UTF-8 and controls are measured escaped. */
    pl_check_close(pl_fonts_measure(fonts, "a\xff\n", 9, 0).width,
                   pl_fonts_measure(fonts, "a\\xff\\n", 9, 0).width, 0, 0);
    pl_fonts_destroy(fonts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_spike_of_100000_is_drawn),
        cmocka_unit_test(a_covered_silhouette_shows),
        cmocka_unit_test(bars_keep_the_maximum),
        cmocka_unit_test(lines_keep_both_extremes),
        cmocka_unit_test(legend_goes_where_it_hides_least),
        cmocka_unit_test(layout_fits_every_page),
        cmocka_unit_test(a_missing_font_is_a_sentence),
        cmocka_unit_test(long_texts_end_in_an_ellipsis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
