#include "plots/edge.h"

#include "plots/wrap.h"

#include <math.h>

void pl_edge_draw(cairo_t *cr, const pl_edge *edge, const pl_layout *layout, pl_fonts *fonts)
{
    const pl_area *area = edge->area;
    const pl_wrapped *text = &layout->bar_label;
    const double gap = layout->tick + 0.3 * layout->pad;
    double right = area->x1 + gap;
    cairo_set_source_rgb(cr, 0, 0, 0);
    for (size_t i = 0; i < layout->n_colour; i++) {
        const pl_tick *tick = &layout->colour[i];
        const double width = pl_layout_width(layout, (tick->major ? 1 : 0.75) * layout->spine);
        const double at = pl_layout_snap(layout, edge->y[i], width);
        cairo_move_to(cr, area->x1, at);
        cairo_line_to(cr, area->x1 + (tick->major ? 1 : 0.57) * layout->tick, at);
        cairo_set_line_width(cr, width);
        cairo_stroke(cr);
        if (tick->major) {
            const pl_extent size = pl_fonts_measure(fonts, tick->text, layout->small, 0);
            pl_fonts_draw(fonts, cr, tick->text, layout->small, 0, area->x1 + gap,
                          edge->y[i] - size.height / 2);
            right = fmax(right, area->x1 + gap + size.width);
        }
    }
    if (text->n > 0) {
        const double from = (area->y0 + area->y1 + text->width) / 2;
        const double floor = pl_layout_floor(layout, text, layout->pad);
        cairo_save(cr);
        cairo_translate(cr, right + edge->room * layout->pad,
                        fmin(fmax(from, layout->pad + text->width), floor));
        cairo_rotate(cr, -M_PI / 2);
        pl_wrap_draw(fonts, cr, edge->label, text, 0, 0, text->width, 0.5);
        cairo_restore(cr);
    }
}
