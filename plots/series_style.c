#include "plots/series_style.h"

#include <math.h>
#include <stdbool.h>

pl_style pl_series_style(const pl_layout *layout, const pl_series *series)
{
    pl_style style = *pl_style_of(series->tone);
    const pl_figure_options *author = layout->options.author;
    if (series->coloured) {
        style.red = (double)(series->rgb >> 16 & 255) / 255;
        style.green = (double)(series->rgb >> 8 & 255) / 255;
        style.blue = (double)(series->rgb & 255) / 255;
    }
    if (author != NULL && author->linewidth.given) {
        style.line = author->linewidth.points / layout->scale;
    }
    return style;
}

void pl_series_hatch(cairo_t *cr, const pl_layout *layout, const pl_style *style, pl_area area)
{
    double distance = fabs(style->hatch) * layout->scale * M_SQRT2;
    double height = area.y1 - area.y0;
    /* From the page's corner, so that the legend's sample and the data share one pattern. */
    double first = floor((area.x0 - height) / distance) * distance;
    int count = (int)ceil((area.x1 + height - first) / distance);
    bool rises = style->hatch > 0;
    for (int i = 0; i < count; i++) {
        double x = first + i * distance;
        cairo_move_to(cr, x, rises ? area.y1 : area.y0);
        cairo_line_to(cr, x + height, rises ? area.y0 : area.y1);
    }
    pl_style_colour(cr, style, 0.75);
    cairo_set_line_width(cr, 0.4 * layout->scale);
    cairo_stroke(cr);
}
