#include "plots/draw.h"

#include "plots/heat.h"
#include "plots/ink.h"
#include "plots/legend.h"
#include "plots/marks.h"
#include "plots/table.h"

#include <math.h>

static void draw_spines(cairo_t *cr, const pl_layout *layout)
{
    const pl_area *plot = &layout->plot;
    cairo_rectangle(cr, plot->x0, plot->y0, plot->x1 - plot->x0, plot->y1 - plot->y0);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_MITER);
    cairo_set_line_width(cr, pl_layout_width(layout, layout->spine));
    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_stroke(cr);
}

static void draw_tick(cairo_t *cr, const pl_layout *layout, bool horizontal, double at, bool major)
{
    double width = pl_layout_width(layout, major ? layout->spine : 0.75 * layout->spine);
    double length = major ? layout->tick : 0.57 * layout->tick;
    at = pl_layout_snap(layout, at, width);
    if (horizontal) {
        cairo_move_to(cr, at, layout->plot.y1);
        cairo_line_to(cr, at, layout->plot.y1 + length);
    } else {
        cairo_move_to(cr, layout->plot.x0, at);
        cairo_line_to(cr, layout->plot.x0 - length, at);
    }
    cairo_set_line_width(cr, width);
    cairo_stroke(cr);
}

static void draw_number(cairo_t *cr, const pl_layout *layout, pl_fonts *fonts, bool horizontal,
                        const char *text, double at)
{
    double most = horizontal ? layout->x_most : layout->y_most;
    double gap = layout->tick + 0.3 * layout->pad;
    pl_extent size = pl_fonts_measure(fonts, text, layout->small, most);
    if (horizontal && layout->upright) {
        cairo_save(cr);
        cairo_translate(cr, at - size.height / 2, layout->plot.y1 + gap + size.width);
        cairo_rotate(cr, -M_PI / 2);
        pl_fonts_draw(fonts, cr, text, layout->small, most, 0, 0);
        cairo_restore(cr);
        return;
    }
    double x = horizontal ? at - size.width / 2 : layout->plot.x0 - gap - size.width;
    double y = horizontal ? layout->plot.y1 + gap : at - size.height / 2;
    pl_fonts_draw(fonts, cr, text, layout->small, most, fmax(x, 0), y);
}

static void draw_axis(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                      pl_fonts *fonts, bool horizontal)
{
    const pl_tick *ticks = horizontal ? layout->x : layout->y;
    size_t count = horizontal ? layout->n_x : layout->n_y;
    bool numbers = horizontal ? pl_layout_x_numbers(layout) : pl_layout_y_numbers(layout);
    cairo_set_source_rgb(cr, 0, 0, 0);
    for (size_t i = 0; i < count; i++) {
        double at = horizontal ? pl_layout_at_x(layout, figure, ticks[i].at)
                               : pl_layout_at_y(layout, figure, ticks[i].at);
        draw_tick(cr, layout, horizontal, at, ticks[i].major);
        if (ticks[i].major && numbers) {
            draw_number(cr, layout, fonts, horizontal, ticks[i].text, at);
        }
    }
}

/* Centred over the plot, moved inwards where it would leave [least, limit]. */
static void draw_centred(cairo_t *cr, const pl_layout *layout, pl_fonts *fonts, const char *text,
                         double from, double to, double least, double limit, double y)
{
    least = fmax(least, layout->pad);
    double most = fmax(limit - layout->pad - least, 1);
    /* A long one is set smaller before it is cut. */
    double whole = pl_fonts_measure(fonts, text, layout->text, 0).width;
    double small = fmax(0.72 * layout->text, fmin(layout->text, 5));
    double text_size = fmin(layout->text, fmax(layout->text * 0.99 * most / whole, small));
    text_size = whole > 0 ? text_size : layout->text;
    pl_extent size = pl_fonts_measure(fonts, text, text_size, most);
    double x = (from + to - size.width) / 2;
    x = fmin(x, limit - layout->pad - size.width);
    pl_fonts_draw(fonts, cr, text, text_size, most, fmax(x, least), y);
}

static void draw_heading(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                         pl_fonts *fonts)
{
    const pl_area *plot = &layout->plot;
    if (layout->letter > 0) {
        pl_fonts_draw_bold(fonts, cr, layout->options.letter, layout->text, 0.5 * layout->pad,
                           0.8 * layout->pad);
    }
    if (layout->title) {
        draw_centred(cr, layout, fonts, figure->title, plot->x0, plot->x1, layout->letter,
                     layout->width, 0.8 * layout->pad);
    }
}

static void draw_labels(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                        pl_fonts *fonts)
{
    const pl_area *plot = &layout->plot;
    bool x_label = layout->labels && !layout->options.no_x_label;
    bool y_label = layout->labels && !layout->options.no_y_label;
    if (x_label && figure->x.label != NULL) {
        double height = pl_fonts_measure(fonts, "0", layout->text, 0).height;
        draw_centred(cr, layout, fonts, figure->x.label, plot->x0, plot->x1, 0, layout->width,
                     layout->height - 0.7 * layout->pad - height);
    }
    if (y_label && figure->y.label != NULL) {
        cairo_save(cr);
        cairo_translate(cr, 0.7 * layout->pad, layout->height);
        cairo_rotate(cr, -M_PI / 2);
        /* A long one ends below the title. */
        bool heading = layout->title || layout->letter > 0;
        double limit = layout->height - (heading ? layout->strip.y0 - layout->pad : 0);
        draw_centred(cr, layout, fonts, figure->y.label, layout->height - plot->y1,
                     layout->height - plot->y0, 0, limit, 0);
        cairo_restore(cr);
    }
}

static pl_status draw_data(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                           pl_error *err)
{
    const pl_area *plot = &layout->plot;
    cairo_save(cr);
    cairo_rectangle(cr, plot->x0, plot->y0, plot->x1 - plot->x0, plot->y1 - plot->y0);
    cairo_clip(cr);
    pl_status status = PL_OK;
    if (figure->heat != NULL) {
        status = pl_heat_draw(cr, figure, layout, err);
    }
    PL_THEN(pl_marks_draw(cr, figure, layout, err));
    cairo_restore(cr);
    return status;
}

/* A legend that would hide more than that, in mean weight of ink, stands above the plot. */
#define HIDES 0.15

/* Layout and a fresh map of the data's ink. */
static pl_status lay_out(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                         double pixel, const pl_draw_options *options, double strip,
                         pl_layout *layout, pl_ink *ink, pl_error *err)
{
    pl_layout_make_with(figure, fonts, width, height, pixel, options, strip, layout);
    pl_ink_deinit(ink);
    pl_status status = pl_ink_init(ink, layout->plot, err);
    return status == PL_OK ? pl_ink_figure(ink, figure, layout, err) : status;
}

/* How much the legend would hide once notes and rules have their places: drawn into nothing. */
static double legend_hides(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                           pl_ink *ink)
{
    if (figure->heat != NULL) {
        return INFINITY; /* every cell is data */
    }
    cairo_surface_t *nothing = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cr = cairo_create(nothing);
    pl_legend_notes(cr, figure, layout, fonts, ink);
    pl_legend_rules(cr, figure, layout, fonts, ink);
    cairo_destroy(cr);
    cairo_surface_destroy(nothing);
    return pl_legend_hides(figure, layout, fonts, ink);
}

/* The legend inside the plot where it hides little, else above it. */
static pl_status prepare(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                         double pixel, const pl_draw_options *options, pl_layout *layout,
                         pl_ink *ink, pl_error *err)
{
    pl_status status = lay_out(figure, fonts, width, height, pixel, options, 0, layout, ink, err);
    if (status != PL_OK) {
        return status;
    }
    double strip = 0;
    if (legend_hides(figure, layout, fonts, ink) > HIDES) {
        strip = pl_legend_strip(figure, layout, fonts);
    }
    return lay_out(figure, fonts, width, height, pixel, options, strip, layout, ink, err);
}

static pl_status draw_table(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts,
                            pl_layout *layout, pl_error *err)
{
    const char *letter = layout->options.letter;
    pl_layout_sizes(layout);
    layout->title = figure->title != NULL && figure->title[0] != '\0' && layout->height > 60;
    if (letter != NULL && letter[0] != '\0' && layout->height > 60) {
        layout->letter = pl_fonts_measure_bold(fonts, letter, layout->text).width + layout->text;
    }
    layout->plot = (pl_area){0, 0, layout->width, layout->height};
    cairo_set_source_rgb(cr, 0, 0, 0);
    draw_heading(cr, figure, layout, fonts);
    return pl_table_draw(cr, figure, layout, fonts, err);
}

static pl_status draw_plot(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                           pl_fonts *fonts, pl_ink *ink, pl_error *err)
{
    pl_status status = draw_data(cr, figure, layout, err);
    if (status != PL_OK) {
        return status;
    }
    draw_spines(cr, layout);
    draw_axis(cr, figure, layout, fonts, true);
    draw_axis(cr, figure, layout, fonts, false);
    draw_heading(cr, figure, layout, fonts);
    draw_labels(cr, figure, layout, fonts);
    if (figure->heat != NULL) {
        pl_heat_bar(cr, figure, layout, fonts);
    }
    cairo_set_source_rgb(cr, 0, 0, 0);
    pl_legend_notes(cr, figure, layout, fonts, ink);
    pl_legend_rules(cr, figure, layout, fonts, ink);
    pl_legend_draw(cr, figure, layout, fonts, ink);
    return PL_OK;
}

pl_status pl_draw_panel(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts, double width,
                        double height, double pixel, const pl_draw_options *options, pl_error *err)
{
    cairo_save(cr);
    cairo_rectangle(cr, 0, 0, width, height);
    cairo_clip(cr);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    pl_layout layout = {.width = width, .height = height, .pixel = pixel};
    pl_ink ink = {0};
    pl_status status = PL_OK;
    if (figure->table != NULL) {
        layout.options = options != NULL ? *options : (pl_draw_options){0};
        status = draw_table(cr, figure, fonts, &layout, err);
    } else {
        status = prepare(figure, fonts, width, height, pixel, options, &layout, &ink, err);
        PL_THEN(draw_plot(cr, figure, &layout, fonts, &ink, err));
    }
    pl_ink_deinit(&ink);
    cairo_restore(cr);
    return status;
}

pl_status pl_draw_figure(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts, double width,
                         double height, double pixel, pl_error *err)
{
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr); /* a page's edge may end within a pixel */
    return pl_draw_panel(cr, figure, fonts, width, height, pixel, NULL, err);
}

pl_status pl_draw_margins(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                          double pixel, const pl_draw_options *options, pl_area *out, pl_error *err)
{
    *out = (pl_area){0};
    if (figure->table != NULL) {
        return PL_OK;
    }
    pl_layout layout;
    pl_ink ink = {0};
    pl_status status = prepare(figure, fonts, width, height, pixel, options, &layout, &ink, err);
    if (status == PL_OK) {
        *out = (pl_area){layout.plot.x0, layout.plot.y0, width - layout.plot.x1,
                         height - layout.plot.y1};
    }
    pl_ink_deinit(&ink);
    return status;
}
