#include "plots/style.h"

const pl_style *pl_style_of(pl_tone tone)
{
    static const pl_style styles[] = {
        [PL_TONE_BEFORE] = {0.337, 0.706, 0.914, 1.2, {0, 0}, 0.45, 0},       /* sky blue */
        [PL_TONE_PRECONDITIONED] = {0.0, 0.447, 0.698, 1.1, {4, 1.5}, 0, -4}, /* blue */
        [PL_TONE_AFTER] = {0.835, 0.369, 0.0, 1.1, {1.6, 1.2}, 0, 4},         /* vermillion */
        [PL_TONE_INPUT] = {0.0, 0.62, 0.451, 1.1, {0, 0}, 0.3, 0},            /* bluish green */
    };
    size_t count = sizeof styles / sizeof styles[0];
    return &styles[(size_t)tone < count ? (size_t)tone : 0];
}

void pl_style_colour(cairo_t *cr, const pl_style *style, double opacity)
{
    cairo_set_source_rgba(cr, style->red, style->green, style->blue, opacity);
}

void pl_style_stroke(cairo_t *cr, const pl_style *style, double scale, bool dashed)
{
    double dash[] = {style->dash[0] * scale, style->dash[1] * scale};
    pl_style_colour(cr, style, 1);
    cairo_set_line_width(cr, style->line * scale);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_MITER);
    cairo_set_dash(cr, dash, dashed && dash[0] > 0 ? 2 : 0, 0);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
}
