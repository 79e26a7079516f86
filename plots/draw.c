#include "plots/draw.h"

#include "plots/ink.h"
#include "plots/layout.h"
#include "plots/legend.h"
#include "plots/marks.h"

#include <math.h>

static void draw_spines(cairo_t *cr, const pl_layout *layout)
{
    const pl_rect *plot = &layout->plot;
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

static void draw_axis(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                      pl_fonts *fonts, bool horizontal)
{
    const pl_tick *ticks = horizontal ? layout->x : layout->y;
    size_t count = horizontal ? layout->n_x : layout->n_y;
    double gap = layout->tick + 0.3 * layout->pad;
    cairo_set_source_rgb(cr, 0, 0, 0);
    for (size_t i = 0; i < count; i++) {
        double at = horizontal ? pl_layout_at_x(layout, figure, ticks[i].at)
                               : pl_layout_at_y(layout, figure, ticks[i].at);
        draw_tick(cr, layout, horizontal, at, ticks[i].major);
        if (!ticks[i].major || !layout->numbers) {
            continue;
        }
        pl_extent size = pl_fonts_measure(fonts, ticks[i].text, layout->small, 0);
        double x = horizontal ? at - size.width / 2 : layout->plot.x0 - gap - size.width;
        double y = horizontal ? layout->plot.y1 + gap : at - size.height / 2;
        pl_fonts_draw(fonts, cr, ticks[i].text, layout->small, 0, fmax(x, 0), y);
    }
}

/* Centred over the plot, moved inwards where it would leave the page. */
static void draw_centred(cairo_t *cr, const pl_layout *layout, pl_fonts *fonts, const char *text,
                         double from, double to, double limit, double y)
{
    double most = limit - 2 * layout->pad;
    pl_extent size = pl_fonts_measure(fonts, text, layout->text, most);
    double x = (from + to - size.width) / 2;
    x = fmin(x, limit - layout->pad - size.width);
    pl_fonts_draw(fonts, cr, text, layout->text, most, fmax(x, layout->pad), y);
}

static void draw_titles(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                        pl_fonts *fonts)
{
    const pl_rect *plot = &layout->plot;
    cairo_set_source_rgb(cr, 0, 0, 0);
    if (layout->title) {
        draw_centred(cr, layout, fonts, figure->title, plot->x0, plot->x1, layout->width,
                     layout->pad * 0.8);
    }
    if (layout->labels && figure->x.label != NULL) {
        double height = pl_fonts_measure(fonts, "0", layout->text, 0).height;
        draw_centred(cr, layout, fonts, figure->x.label, plot->x0, plot->x1, layout->width,
                     layout->height - 0.7 * layout->pad - height);
    }
    if (layout->labels && figure->y.label != NULL) {
        cairo_save(cr);
        cairo_translate(cr, 0.7 * layout->pad, layout->height);
        cairo_rotate(cr, -M_PI / 2);
        /* A long one ends below the title. */
        double limit = layout->height - (layout->title ? plot->y0 - layout->pad : 0);
        draw_centred(cr, layout, fonts, figure->y.label, layout->height - plot->y1,
                     layout->height - plot->y0, limit, 0);
        cairo_restore(cr);
    }
}

static pl_status draw_data(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                           pl_error *err)
{
    const pl_rect *plot = &layout->plot;
    cairo_save(cr);
    cairo_rectangle(cr, plot->x0, plot->y0, plot->x1 - plot->x0, plot->y1 - plot->y0);
    cairo_clip(cr);
    pl_status status = pl_marks_draw(cr, figure, layout, err);
    cairo_restore(cr);
    return status;
}

pl_status pl_draw_figure(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts, double width,
                         double height, double pixel, pl_error *err)
{
    pl_layout layout;
    pl_layout_make(figure, fonts, width, height, pixel, &layout);
    pl_ink ink = {0};
    pl_status status = pl_ink_init(&ink, layout.plot, err);
    if (status == PL_OK) {
        status = pl_ink_figure(&ink, figure, &layout, err);
    }
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    if (status == PL_OK) {
        status = draw_data(cr, figure, &layout, err);
    }
    if (status == PL_OK) {
        draw_spines(cr, &layout);
        draw_axis(cr, figure, &layout, fonts, true);
        draw_axis(cr, figure, &layout, fonts, false);
        draw_titles(cr, figure, &layout, fonts);
        cairo_set_source_rgb(cr, 0, 0, 0);
        pl_legend_notes(cr, figure, &layout, fonts, &ink);
        pl_legend_rules(cr, figure, &layout, fonts, &ink);
        pl_legend_draw(cr, figure, &layout, fonts, &ink);
    }
    pl_ink_deinit(&ink);
    return status;
}
