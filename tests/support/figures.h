/* tests/support/figures.h -- sample figures of every mark, and their pixels. */
#ifndef PL_TESTS_FIGURES_H
#define PL_TESTS_FIGURES_H

#include "plots/build.h"
#include "plots/draw.h"

#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>

/* A rising spread around a middle, deterministic. */
static inline void pl_sample_spread(double middle, double width, size_t i, double y[PL_SPREAD])
{
    static const double levels[PL_SPREAD] = {-3, -2, -0.7, 0, 0.7, 2, 3.5};
    double scale = width * (1 + 0.3 * sin((double)i));
    for (size_t k = 0; k < PL_SPREAD; k++) {
        y[k] = middle + scale * levels[k];
    }
}

static inline pl_series *pl_sample_series(pl_figure *f, const char *label, pl_mark mark,
                                          pl_tone tone, size_t count)
{
    pl_series *series = NULL;
    pl_error err = {0};
    pl_check_ok(pl_figure_add(f, label, mark, tone, count, &series, &err), err);
    size_t points = count + (mark == PL_MARK_STEPS ? 1 : 0);
    for (size_t i = 0; i < points; i++) {
        series->x[i] = (double)i;
    }
    for (size_t i = 0; i < count; i++) {
        if (pl_mark_width(mark) > 1) {
            pl_sample_spread(1, 0.1 + 0.02 * (double)tone, i, series->y + i * PL_SPREAD);
        } else {
            series->y[i] = 1 + 0.6 * sin(0.3 * (double)i + (double)tone);
        }
    }
    return series;
}

/* Axes of [-0.5, n - 0.5] x [0, 2]. */
static inline void pl_sample_axes(pl_figure *f, size_t n, const char *x_label)
{
    pl_error err = {0};
    pl_check_ok(pl_figure_texts(f, "model.layers.15.self_attn.q_proj  [576, 576]", x_label,
                                "max |w| per channel", &err),
                err);
    f->x.lo = -0.5;
    f->x.hi = (double)n - 0.5;
    f->x.whole = true;
    f->y.lo = 0;
    f->y.hi = 2;
}

static inline void pl_sample_names(pl_axis *axis, size_t n)
{
    static const char *const names[] = {
        " the", "<s>", ",", " Chronicles", "gate_proj", " a-token-far-longer-than-an-axis-likes"};
    pl_error err = {0};
    pl_check_ok(pl_figure_names(axis, n, &err), err);
    for (size_t i = 0; i < n; i++) {
        pl_check_ok(pl_figure_text(&axis->names[i], names[i % 6], &err), err);
    }
}

static inline pl_figure pl_sample_marks(pl_mark mark, size_t n_series, size_t count)
{
    pl_figure f = {0};
    pl_error err = {0};
    pl_sample_axes(&f, count, "channel");
    for (size_t i = 0; i < n_series; i++) {
        char label[64];
        snprintf(label, sizeof label, "series %zu, \u03b2 = 10\u207b\u2074", i);
        pl_sample_series(&f, label, mark, (pl_tone)i, count);
    }
    pl_check_ok(pl_figure_rule(&f, 1.2, false, "bound", &err), err);
    pl_check_ok(pl_figure_rule(&f, 0.4 * (double)count, true, "knee", &err), err);
    return f;
}

/* Values 1 but for one cell of 100. */
static inline pl_figure pl_sample_heat(size_t rows, size_t cols, size_t row, size_t col)
{
    pl_figure f = {0};
    pl_error err = {0};
    pl_sample_axes(&f, cols, "channel");
    pl_check_ok(pl_figure_heat(&f, rows, cols, "|x|", &err), err);
    for (size_t i = 0; i < rows * cols; i++) {
        f.heat->values[i] = 1;
    }
    f.heat->values[row * cols + col] = 100;
    f.heat->lo = 1;
    f.heat->hi = 100;
    f.heat->log = true;
    f.y.lo = -0.5;
    f.y.hi = (double)rows - 0.5;
    return f;
}

static inline pl_figure pl_sample_table(size_t rows, size_t cols)
{
    pl_figure f = {0};
    pl_error err = {0};
    pl_check_ok(pl_figure_text(&f.title, "Outlier channels", &err), err);
    pl_check_ok(pl_figure_table(&f, rows, cols, &err), err);
    for (size_t j = 0; j < cols; j++) {
        pl_check_ok(pl_figure_text(&f.table->heads[j], "\u00d7 median", &err), err);
        for (size_t i = 0; i < rows; i++) {
            char text[32];
            snprintf(text, sizeof text, "%.3f", 100.0 / (1 + (double)(i + j)));
            pl_check_ok(pl_figure_text(&f.table->cells[i * cols + j], text, &err), err);
        }
    }
    return f;
}

/* Pixels of a page, [height, width] of 0xRRGGBB. */
typedef struct pl_pixels {
    int width, height;
    uint32_t *at;
} pl_pixels;

/* Draws the figure as a panel of w x h inches at x, y pixels of a page that is black elsewhere. */
static inline pl_pixels pl_sample_draw(const pl_figure *f, double w, double h, double dpi, int x,
                                       int y, int around, const pl_draw_options *options)
{
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_figure_check(f, &err), err);
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    pl_pixels p = {(int)lround(w * dpi) + around, (int)lround(h * dpi) + around, NULL};
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, p.width, p.height);
    cairo_t *cr = cairo_create(surface);
    cairo_translate(cr, x, y);
    cairo_scale(cr, dpi / 72, dpi / 72);
    pl_check_ok(pl_draw_panel(cr, f, fonts, (p.width - around) * 72 / dpi,
                              (p.height - around) * 72 / dpi, 72 / dpi, options, &err),
                err);
    assert_int_equal(cairo_status(cr), CAIRO_STATUS_SUCCESS);
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    const unsigned char *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    p.at = malloc((size_t)p.width * (size_t)p.height * sizeof *p.at);
    assert_non_null(p.at);
    for (int i = 0; i < p.height; i++) {
        memcpy(p.at + (size_t)i * (size_t)p.width, data + (size_t)i * stride,
               (size_t)p.width * sizeof *p.at);
    }
    for (size_t i = 0; i < (size_t)p.width * (size_t)p.height; i++) {
        p.at[i] &= 0xffffff;
    }
    cairo_surface_destroy(surface);
    pl_fonts_destroy(fonts);
    return p;
}

static inline uint32_t pl_pixel(const pl_pixels *p, int x, int y)
{
    return p->at[(size_t)y * (size_t)p->width + (size_t)x];
}

/* Whether two colours are within a tolerance in each channel. */
static inline bool pl_pixel_near(uint32_t a, uint32_t b, int tolerance)
{
    for (int shift = 0; shift < 24; shift += 8) {
        if (abs((int)(a >> shift & 255) - (int)(b >> shift & 255)) > tolerance) {
            return false;
        }
    }
    return true;
}

#endif
