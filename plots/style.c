#include "plots/style.h"

#include <math.h>

const pl_style *pl_style_of(pl_tone tone)
{
    enum { EXTRA = PL_TONE_EXTRA };
    static const pl_style styles[PL_TONE_COUNT] = {
        [PL_TONE_BEFORE] = {0.337, 0.706, 0.914, 1.2, {0}, 0.45, 0, PL_MARKER_CIRCLE, 0, 0},
        [PL_TONE_PRECONDITIONED] = {0, 0.447, 0.698, 1.1, {4, 1.5}, 0, -4, PL_MARKER_SQUARE, 0, 0},
        [PL_TONE_AFTER] = {0.835, 0.369, 0, 1.1, {1.6, 1.2}, 0, 4, PL_MARKER_UP, 0, 0},
        [PL_TONE_INPUT] = {0, 0.62, 0.451, 1.1, {0}, 0.3, 0, PL_MARKER_DIAMOND, 0, 0},
        [EXTRA] = {0, 0, 0, 0.9, {0}, 0, 0, PL_MARKER_DOWN, 0, 1},
        [EXTRA + 1] = {0.902, 0.624, 0, 1, {5, 1.5, 1.2, 1.5}, 0, 0, PL_MARKER_CIRCLE, 1, 1},
        [EXTRA + 2] = {0.8, 0.475, 0.655, 1, {2.4, 1}, 0, 0, PL_MARKER_SQUARE, 1, 1},
        [EXTRA + 3] = {0.2, 0, 0.733, 0.9, {6.5, 2}, 0, 0, PL_MARKER_CROSS, 1, 1},
        [EXTRA + 4] = {0.4, 0.4, 0.4, 0.9, {1, 1}, 0, 0, PL_MARKER_PLUS, 1, 1},
        [EXTRA + 5] = {0.6, 0.133, 0, 0.9, {5, 1, 1, 1, 1, 1}, 0, 0, PL_MARKER_UP, 1, 1},
        [EXTRA + 6] = {0, 0.267, 0.333, 0.9, {3, 3}, 0, 0, PL_MARKER_DIAMOND, 1, 1},
        [EXTRA + 7] = {0.333, 0.2, 0.2, 0.9, {9, 1.5, 3, 1.5}, 0, 0, PL_MARKER_DOWN, 1, 1},
    };
    return &styles[(unsigned)tone < PL_TONE_COUNT ? (unsigned)tone : 0];
}

void pl_style_colour(cairo_t *cr, const pl_style *style, double opacity)
{
    cairo_set_source_rgba(cr, style->red, style->green, style->blue, opacity);
}

pl_style pl_style_darker(const pl_style *style)
{
    const double keep = 0.72;
    pl_style darker = *style;
    darker.red *= keep;
    darker.green *= keep;
    darker.blue *= keep;
    return darker;
}

void pl_style_stroke(cairo_t *cr, const pl_style *style, double scale, bool dashed)
{
    double dash[PL_STYLE_DASHES];
    int count = 0;
    while (count < PL_STYLE_DASHES && style->dash[count] > 0) {
        dash[count] = style->dash[count] * scale;
        count++;
    }
    pl_style_colour(cr, style, 1);
    cairo_set_line_width(cr, style->line * scale);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_MITER);
    cairo_set_dash(cr, dash, dashed ? count : 0, 0);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
}

static void polygon(cairo_t *cr, double x, double y, double radius, int corners, double turn)
{
    for (int i = 0; i < corners; i++) {
        double angle = turn + 2 * M_PI * i / corners;
        cairo_line_to(cr, x + radius * sin(angle), y - radius * cos(angle));
    }
    cairo_close_path(cr);
}

/* Radii are such that all shapes have about the circle's area. */
static void marker_path(cairo_t *cr, pl_marker marker, double x, double y, double radius)
{
    double arm = 1.15 * radius;
    double slant = marker == PL_MARKER_CROSS ? arm * M_SQRT1_2 : 0;
    double straight = marker == PL_MARKER_CROSS ? slant : arm;
    cairo_new_path(cr);
    switch (marker) {
    case PL_MARKER_SQUARE:
        polygon(cr, x, y, 1.25 * radius, 4, M_PI / 4);
        break;
    case PL_MARKER_DIAMOND:
        polygon(cr, x, y, 1.35 * radius, 4, 0);
        break;
    case PL_MARKER_UP:
        polygon(cr, x, y + 0.15 * radius, 1.45 * radius, 3, 0);
        break;
    case PL_MARKER_DOWN:
        polygon(cr, x, y - 0.15 * radius, 1.45 * radius, 3, M_PI);
        break;
    case PL_MARKER_PLUS:
    case PL_MARKER_CROSS:
        cairo_move_to(cr, x - straight, y - slant);
        cairo_line_to(cr, x + straight, y + slant);
        cairo_move_to(cr, x + slant, y - straight);
        cairo_line_to(cr, x - slant, y + straight);
        break;
    case PL_MARKER_CIRCLE:
    default:
        cairo_arc(cr, x, y, radius, 0, 2 * M_PI);
        cairo_close_path(cr);
        break;
    }
}

/* Strokes the path three times, the last in the style's colour, so that it shows on any colour. */
static void stroke_halo(cairo_t *cr, const pl_style *style, double width, double halo)
{
    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_set_line_width(cr, width + 2.7 * halo);
    cairo_stroke_preserve(cr);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_set_line_width(cr, width + 1.8 * halo);
    cairo_stroke_preserve(cr);
    pl_style_colour(cr, style, 1);
    cairo_set_line_width(cr, width);
    cairo_stroke(cr);
}

void pl_style_marker(cairo_t *cr, const pl_style *style, double x, double y, double radius,
                     double halo)
{
    bool lines = style->marker == PL_MARKER_PLUS || style->marker == PL_MARKER_CROSS;
    double width = 0.42 * radius;
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_MITER);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
    if (halo > 0) {
        marker_path(cr, style->marker, x, y, 1.35 * radius);
        stroke_halo(cr, style, 0.9 * halo, halo);
        return;
    }
    marker_path(cr, style->marker, x, y, radius);
    if (style->open && !lines) {
        cairo_set_source_rgb(cr, 1, 1, 1);
        cairo_fill_preserve(cr);
    }
    pl_style_colour(cr, style, 1);
    cairo_set_line_width(cr, lines ? 1.4 * width : width);
    if (style->open) {
        cairo_stroke(cr);
    } else {
        cairo_fill(cr);
    }
}
