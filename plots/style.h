/* plots/style.h -- how each tone looks: the colours of Okabe and Ito (2008), and beside each a
 * line style, a fill and a width, so that a figure reads in grey and with any colour vision. */
#ifndef PL_PLOTS_STYLE_H
#define PL_PLOTS_STYLE_H

#include "plots/figure.h"

#include <cairo.h>

typedef struct pl_style {
    double red, green, blue;
    double line;    /* width, points */
    double dash[2]; /* on and off, points; {0, 0} is solid */
    double fill;    /* opacity of the area below steps */
    double hatch;   /* distance of hatching lines, points; 0: none; < 0: falling lines */
} pl_style;

const pl_style *pl_style_of(pl_tone tone);

void pl_style_colour(cairo_t *cr, const pl_style *style, double opacity);
/* Strokes and clears the path; widths and dashes times scale. */
void pl_style_stroke(cairo_t *cr, const pl_style *style, double scale, bool dashed);

#endif
