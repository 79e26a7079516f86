#include "plots/draw.h"

#include "plots/edge.h"
#include "plots/heat.h"
#include "plots/ink.h"
#include "plots/legend.h"
#include "plots/marks.h"
#include "plots/relief.h"
#include "plots/table.h"

#include <math.h>
#include <string.h>

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

static void draw_number(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                        pl_fonts *fonts, bool horizontal, const char *text, double at)
{
    const pl_axis *axis = horizontal ? &figure->x : &figure->y;
    double gap = layout->tick + 0.3 * layout->pad;
    double letters = pl_layout_tick_size(layout, axis);
    pl_extent size = pl_fonts_measure(fonts, text, letters, 0);
    if (horizontal && layout->upright) {
        cairo_save(cr);
        cairo_translate(cr, at - size.height / 2, layout->plot.y1 + gap + size.width);
        cairo_rotate(cr, -M_PI / 2);
        pl_fonts_draw(fonts, cr, text, letters, 0, 0, 0);
        cairo_restore(cr);
        return;
    }
    double x = horizontal ? at - size.width / 2 : layout->plot.x0 - gap - size.width;
    double y = horizontal ? layout->plot.y1 + gap : at - size.height / 2;
    pl_fonts_draw(fonts, cr, text, letters, 0, fmax(x, 0), y);
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
            draw_number(cr, figure, layout, fonts, horizontal, ticks[i].text, at);
        }
    }
}

static void draw_right(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                       pl_fonts *fonts)
{
    pl_edge edge = {.area = &layout->plot, .label = figure->right.label, .room = 0.5};
    pl_figure own = *figure;
    own.y = figure->right;
    for (size_t i = 0; i < layout->n_colour; i++) {
        edge.y[i] = pl_layout_at_y(layout, &own, layout->colour[i].at);
    }
    pl_edge_draw(cr, &edge, layout, fonts);
}

/* Centred over from ... to, moved inwards where it would leave [least, limit]. */
static void draw_centred(cairo_t *cr, const pl_layout *layout, pl_fonts *fonts, const char *text,
                         const pl_wrapped *wrapped, double from, double to, double least,
                         double limit, double y)
{
    double x = (from + to - wrapped->width) / 2;
    x = fmin(x, limit - layout->pad - wrapped->width);
    x = fmax(x, fmax(least, layout->pad));
    pl_wrap_draw(fonts, cr, text, wrapped, x, y, wrapped->width, 0.5);
}

static void draw_heading(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                         pl_fonts *fonts)
{
    const pl_area *plot = &layout->plot;
    if (layout->letter > 0) {
        pl_fonts_draw_bold(fonts, cr, layout->options.letter, layout->text, 0.5 * layout->pad,
                           0.8 * layout->pad);
    }
    if (layout->heading.n > 0) {
        draw_centred(cr, layout, fonts, figure->title, &layout->heading, plot->x0, plot->x1,
                     layout->letter, layout->width, 0.8 * layout->pad);
    }
}

static void draw_labels(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                        pl_fonts *fonts)
{
    const pl_area *plot = &layout->plot;
    if (layout->x_label.n > 0) {
        draw_centred(cr, layout, fonts, figure->x.label, &layout->x_label, plot->x0, plot->x1, 0,
                     layout->width, layout->x_label_y);
    }
    if (layout->y_label.n > 0) {
        cairo_save(cr);
        cairo_translate(cr, layout->y_label_x, layout->height);
        cairo_rotate(cr, -M_PI / 2);
        /* A long one ends below the title. */
        bool heading = layout->title || layout->letter > 0;
        double above = layout->pad + (heading ? fmax(layout->heading.height, layout->text) : 0);
        draw_centred(cr, layout, fonts, figure->y.label, &layout->y_label,
                     layout->height - plot->y1, layout->height - plot->y0,
                     layout->height - pl_layout_floor(layout, &layout->y_label, above),
                     layout->height - above + layout->pad, 0);
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

#define LEGEND_MOST 0.6 /* of a figure's height */

/* Layout and a fresh map of the data's ink. */
static pl_status lay_out(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                         double pixel, const pl_draw_options *options, const pl_strip *strip,
                         pl_layout *layout, pl_ink *ink, pl_error *err)
{
    pl_layout_make(figure, fonts, width, height, pixel, options, strip, layout);
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

/* The legend inside the plot where it hides nothing, else below it; or as the author has it. */
pl_status pl_draw_prepare(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                          double pixel, const pl_draw_options *options, pl_layout *layout,
                          pl_ink *ink, pl_error *err)
{
    const pl_legend_at at = pl_legend_of(figure, options);
    pl_strip strip = {0};
    pl_status status =
        lay_out(figure, fonts, width, height, pixel, options, &strip, layout, ink, err);
    if (status != PL_OK || at == PL_LEGEND_NONE || at == PL_LEGEND_CORNER) {
        return status;
    }
    if (at == PL_LEGEND_RIGHT) {
        strip.right = pl_legend_column(figure, layout, fonts);
    } else if (at == PL_LEGEND_BELOW || legend_hides(figure, layout, fonts, ink) > 0) {
        strip.below = pl_legend_strip(figure, layout, fonts);
        if (strip.below > LEGEND_MOST * height) {
            if (width >= PL_THUMBNAIL && height >= PL_THUMBNAIL) {
                return pl_error_set(err, PL_ERR_USAGE,
                                    "figure: a legend of %.2f in does not fit below a plot of %.2f "
                                    "x %.2f in: it needs a width or height of about %.2f in, or "
                                    "legend=none",
                                    strip.below / 72, width / 72, height / 72,
                                    ceil(strip.below / LEGEND_MOST / 72 * 20) / 20);
            }
            strip.below = 0;
        }
    }
    return lay_out(figure, fonts, width, height, pixel, options, &strip, layout, ink, err);
}

static pl_status check_texts(const pl_layout *layout, pl_error *err)
{
    if (!(layout->needs > 0) || layout->width < PL_THUMBNAIL || layout->height < PL_THUMBNAIL) {
        return PL_OK;
    }
    const double needs = ceil(layout->needs / 72 * 20) / 20;
    if (layout->too_wide == NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: in a panel of %.2f x %.2f in its texts leave no room for the "
                            "plot: it needs about %.2f in, or a smaller text=",
                            layout->width / 72, layout->height / 72, needs);
    }
    char shown[80];
    pl_text_escape(layout->too_wide, strlen(layout->too_wide), shown, sizeof shown);
    return pl_error_set(err, PL_ERR_USAGE,
                        "figure: \"%s\" does not fit a panel of %.2f x %.2f in with letters of "
                        "5 pt: it needs about %.2f in",
                        shown, layout->width / 72, layout->height / 72, needs);
}

/* Sizes, and the heading of a page without a plot's frame. */
static void draw_headed(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts, pl_layout *layout)
{
    const char *letter = layout->options.letter;
    pl_layout_sizes(layout);
    layout->title = figure->title != NULL && figure->title[0] != '\0' && layout->height > 60;
    if (letter != NULL && letter[0] != '\0' && layout->height > 60) {
        layout->letter = pl_fonts_measure_bold(fonts, letter, layout->text).width + layout->text;
    }
    layout->plot = (pl_area){0, 0, layout->width, layout->height};
    cairo_set_source_rgb(cr, 0, 0, 0);
    if (layout->title) {
        double room = layout->width - layout->pad - fmax(layout->letter, layout->pad);
        pl_wrap(fonts, figure->title, layout->text, room, 1, &layout->heading);
    }
    draw_heading(cr, figure, layout, fonts);
}

static pl_status draw_relief(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts,
                             pl_layout *layout, pl_error *err)
{
    cairo_save(cr);
    if (layout->width < PL_THUMBNAIL || layout->height < PL_THUMBNAIL) {
        /* Its labels lie askew, so nothing tells beforehand that they fit. */
        cairo_rectangle(cr, 2, 2, layout->width - 4, layout->height - 4);
        cairo_clip(cr);
    }
    draw_headed(cr, figure, fonts, layout);
    const double text = pl_fonts_measure(fonts, "0", layout->text, 0).height;
    const bool heading = layout->title || layout->letter > 0;
    pl_relief_draw(cr, figure, layout, fonts, heading ? text + 1.2 * layout->pad : layout->pad);
    cairo_restore(cr);
    if (layout->title && layout->heading.needs > 0) {
        layout->needs = layout->heading.needs + fmax(layout->letter, layout->pad) + layout->pad;
        layout->too_wide = figure->title;
    }
    return check_texts(layout, err);
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
    } else if (pl_figure_has_right(figure)) {
        draw_right(cr, figure, layout, fonts);
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
        draw_headed(cr, figure, fonts, &layout);
        status = pl_table_draw(cr, figure, &layout, fonts, err);
    } else if (figure->relief) {
        layout.options = options != NULL ? *options : (pl_draw_options){0};
        status = draw_relief(cr, figure, fonts, &layout, err);
    } else {
        status = pl_draw_prepare(figure, fonts, width, height, pixel, options, &layout, &ink, err);
        PL_THEN(check_texts(&layout, err));
        PL_THEN(draw_plot(cr, figure, &layout, fonts, &ink, err));
    }
    pl_ink_deinit(&ink);
    cairo_restore(cr);
    return status;
}

pl_status pl_draw_margins(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                          double pixel, const pl_draw_options *options, pl_area *out, pl_error *err)
{
    *out = (pl_area){0};
    if (figure->table != NULL || figure->relief) {
        return PL_OK;
    }
    pl_layout layout;
    pl_ink ink = {0};
    pl_status status =
        pl_draw_prepare(figure, fonts, width, height, pixel, options, &layout, &ink, err);
    if (status == PL_OK) {
        *out = (pl_area){layout.plot.x0, layout.plot.y0, width - layout.plot.x1,
                         height - layout.plot.y1};
    }
    pl_ink_deinit(&ink);
    return status;
}
