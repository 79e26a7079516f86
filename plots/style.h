/* plots/style.h -- how each tone looks: the colours of Okabe and Ito (2008) without their yellow
 * (1.3 : 1 against white), and five darker ones, chosen to differ from all others in CIE DE2000,
 * also as protanopes, deuteranopes and tritanopes see them.  Each colour has its own line style,
 * fill, width and marker, so that a figure can be read in grey. */
#ifndef PL_PLOTS_STYLE_H
#define PL_PLOTS_STYLE_H

#include "plots/figure.h"

#include <cairo.h>

typedef enum pl_marker {
    PL_MARKER_CIRCLE,
    PL_MARKER_SQUARE,
    PL_MARKER_UP, /* triangles */
    PL_MARKER_DOWN,
    PL_MARKER_DIAMOND,
    PL_MARKER_PLUS,
    PL_MARKER_CROSS,
} pl_marker;

enum { PL_STYLE_DASHES = 6 };

typedef struct pl_style {
    double red, green, blue;
    double line;                  /* width, points */
    double dash[PL_STYLE_DASHES]; /* on and off, points, up to the first 0; {0} is solid */
    double fill;                  /* opacity of the area below steps */
    double hatch;                 /* distance of hatching lines, points; 0: none; < 0: falling */
    pl_marker marker;
    bool open;    /* the marker is an outline */
    bool on_line; /* lines carry it, too */
} pl_style;

const pl_style *pl_style_of(pl_tone tone);

void pl_style_colour(cairo_t *cr, const pl_style *style, double opacity);
/* For thin lines of pale tones. */
pl_style pl_style_darker(const pl_style *style);
/* Strokes and clears the path; widths and dashes times scale. */
void pl_style_stroke(cairo_t *cr, const pl_style *style, double scale, bool dashed);

/* A marker of about that radius.  halo > 0: hollow, with white edges of that width and thin black
 * ones around them, to stand out from a heat map without hiding the cell. */
void pl_style_marker(cairo_t *cr, const pl_style *style, double x, double y, double radius,
                     double halo);

#endif
