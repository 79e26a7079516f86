#include "plots/layout.h"

#include <math.h>

enum { MAX_WANTED = 8 };

double pl_layout_width(const pl_layout *layout, double width)
{
    return fmax(1, round(width / layout->pixel)) * layout->pixel;
}

double pl_layout_snap(const pl_layout *layout, double at, double width)
{
    double pixels = fmax(1, round(width / layout->pixel));
    double half = fmod(pixels, 2) != 0 ? 0.5 : 0;
    return (round(at / layout->pixel - half) + half) * layout->pixel;
}

/* Where value lies between the ends of an axis, 0 ... 1. */
static double part_of(const pl_axis *axis, double value)
{
    double part = 0;
    if (axis->log) {
        part = value > 0 ? log(value / axis->lo) / log(axis->hi / axis->lo) : 0;
    } else {
        part = (value - axis->lo) / (axis->hi - axis->lo);
    }
    return part < 0 ? 0 : part > 1 ? 1 : part;
}

double pl_layout_at_x(const pl_layout *layout, const pl_figure *figure, double value)
{
    const pl_rect *plot = &layout->plot;
    return plot->x0 + part_of(&figure->x, value) * (plot->x1 - plot->x0);
}

double pl_layout_at_y(const pl_layout *layout, const pl_figure *figure, double value)
{
    const pl_rect *plot = &layout->plot;
    return plot->y1 - part_of(&figure->y, value) * (plot->y1 - plot->y0);
}

static double between(double at, double x0, double y0, double x1, double y1)
{
    double part = (at - x0) / (x1 - x0);
    return y0 + (part < 0 ? 0 : part > 1 ? 1 : part) * (y1 - y0);
}

/* 9 and 8 pt from 5 in on, 7 and 6 pt in a column of 3.25 in, 5 pt where that is too much, 10 and
 * 9 pt on posters. */
static void choose_sizes(pl_layout *layout)
{
    double inches = fmin(layout->width, layout->height * 1.5) / 72;
    if (inches >= 5) {
        layout->text = between(inches, 6.5, 9, 10, 10);
    } else if (inches >= 3.25) {
        layout->text = between(inches, 3.25, 7, 5, 9);
    } else {
        layout->text = between(inches, 1, 5.5, 3.25, 7);
    }
    layout->small = fmax(5, layout->text - 1);
    layout->pad = between(inches, 1, 2, 5, 5);
    layout->tick = between(inches, 1, 1.8, 5, 3.5);
    layout->scale = between(inches, 1, 0.5, 5, 1);
    layout->spine = 0.8 * layout->scale;
}

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static double line_height(pl_fonts *fonts, double size)
{
    return pl_fonts_measure(fonts, "0", size, 0).height;
}

/* Whether neighbouring labels keep a gap; along: along the axis or across it. */
static bool labels_fit(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                       bool horizontal)
{
    const pl_tick *ticks = horizontal ? layout->x : layout->y;
    size_t count = horizontal ? layout->n_x : layout->n_y;
    double end = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (!ticks[i].major) {
            continue;
        }
        pl_extent box = pl_fonts_measure(fonts, ticks[i].text, layout->small, 0);
        double at = horizontal ? pl_layout_at_x(layout, figure, ticks[i].at)
                               : -pl_layout_at_y(layout, figure, ticks[i].at);
        double half = (horizontal ? box.width : 0.8 * box.height) / 2;
        if (at - half < end) {
            return false;
        }
        end = at + half + (horizontal ? 0.7 * layout->small : 0);
    }
    return true;
}

/* A label on every second, third ... major tick, where fewer ticks were not to be had. */
static void thin_labels(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts,
                        bool horizontal)
{
    pl_tick *ticks = horizontal ? layout->x : layout->y;
    size_t count = horizontal ? layout->n_x : layout->n_y;
    for (size_t every = 2; every < PL_MAX_TICKS; every++) {
        if (labels_fit(figure, layout, fonts, horizontal)) {
            return;
        }
        size_t k = 0;
        for (size_t i = 0; i < count; i++) {
            if (ticks[i].major && k++ % every != 0) {
                ticks[i].major = false;
                ticks[i].text[0] = '\0';
            }
        }
    }
}

static void choose_ticks(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts,
                         bool horizontal)
{
    const pl_rect *plot = &layout->plot;
    double length = horizontal ? plot->x1 - plot->x0 : plot->y1 - plot->y0;
    double wanted = length / (layout->small * (horizontal ? 4.5 : 3));
    size_t most = wanted < 2 ? 2 : wanted > MAX_WANTED ? MAX_WANTED : (size_t)wanted;
    const pl_axis *axis = horizontal ? &figure->x : &figure->y;
    for (size_t n = most; n >= 1; n--) {
        size_t count = pl_ticks(axis, n, horizontal ? layout->x : layout->y);
        *(horizontal ? &layout->n_x : &layout->n_y) = count;
        if (labels_fit(figure, layout, fonts, horizontal)) {
            return;
        }
    }
    thin_labels(figure, layout, fonts, horizontal);
}

static double widest(const pl_tick *ticks, size_t count, pl_fonts *fonts, double size)
{
    double width = 0;
    for (size_t i = 0; i < count; i++) {
        if (ticks[i].major) {
            width = fmax(width, pl_fonts_measure(fonts, ticks[i].text, size, 0).width);
        }
    }
    return width;
}

/* How far the labels of the x axis reach beyond the right spine. */
static double overhang(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    double most = 0;
    for (size_t i = 0; layout->numbers && i < layout->n_x; i++) {
        if (layout->x[i].major) {
            double half = pl_fonts_measure(fonts, layout->x[i].text, layout->small, 0).width / 2;
            double at = pl_layout_at_x(layout, figure, layout->x[i].at);
            most = fmax(most, at + half - layout->plot.x1);
        }
    }
    return most;
}

static void place(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    double text = line_height(fonts, layout->text);
    double small = line_height(fonts, layout->small);
    double gap = 0.6 * layout->pad;
    double numbers = layout->tick + 0.5 * gap;
    bool x_label = layout->labels && has_text(figure->x.label);
    bool y_label = layout->labels && has_text(figure->y.label);
    pl_rect *plot = &layout->plot;
    plot->y0 = layout->pad + (layout->title ? text + gap : layout->numbers ? 0.3 * small : 0);
    plot->y1 = layout->height - layout->pad - layout->tick -
               (layout->numbers ? small + 0.5 * gap : 0) - (x_label ? text + 0.3 * gap : 0);
    plot->x0 = layout->pad + layout->tick;
    plot->x1 = layout->width - layout->pad;
    plot->y1 = fmax(plot->y1, plot->y0 + 1);
    choose_ticks(figure, layout, fonts, false);
    plot->x0 = layout->pad + (y_label ? text + gap : 0) + layout->tick;
    if (layout->numbers) {
        double width = widest(layout->y, layout->n_y, fonts, layout->small);
        plot->x0 += width + numbers - layout->tick;
    }
    plot->x1 = fmax(plot->x1, plot->x0 + 1);
    choose_ticks(figure, layout, fonts, true);
    double beyond = overhang(figure, layout, fonts) - 0.5 * layout->pad;
    if (beyond > 0 && plot->x1 - beyond > plot->x0 + 1) {
        plot->x1 -= beyond;
        choose_ticks(figure, layout, fonts, true);
    }
}

static void snap_plot(pl_layout *layout)
{
    pl_rect *plot = &layout->plot;
    plot->x0 = pl_layout_snap(layout, plot->x0, layout->spine);
    plot->x1 = pl_layout_snap(layout, plot->x1, layout->spine);
    plot->y0 = pl_layout_snap(layout, plot->y0, layout->spine);
    plot->y1 = pl_layout_snap(layout, plot->y1, layout->spine);
    /* On a page of a few pixels the spines may fall together. */
    plot->x1 = fmax(plot->x1, plot->x0 + layout->pixel);
    plot->y1 = fmax(plot->y1, plot->y0 + layout->pixel);
}

void pl_layout_make(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                    double pixel, pl_layout *out)
{
    *out = (pl_layout){.width = width, .height = height, .pixel = pixel};
    choose_sizes(out);
    for (int drop = 0; drop < 4; drop++) {
        out->title = drop < 1 && has_text(figure->title);
        out->labels = drop < 2;
        out->numbers = drop < 3;
        place(figure, out, fonts);
        const pl_rect *plot = &out->plot;
        if (plot->x1 - plot->x0 >= 0.4 * width && plot->y1 - plot->y0 >= 0.4 * height) {
            break;
        }
    }
    snap_plot(out);
}
