/* plots/relief.h -- a heat map as a relief: values as heights over channels and rows, in parallel
 * projection.
 *
 * Each row is a curtain from the floor to its profile.  Curtains are parallel, so painting them
 * from back to front hides exactly what lies behind. */
#ifndef PL_PLOTS_RELIEF_H
#define PL_PLOTS_RELIEF_H

#include "plots/layout.h"

#include <cairo.h>

/* From the relief to the page: x along channels, y along rows (0 at the back, 1 in front) and
 * height z, each 0 ... 1, give origin + x across + y forward - z up. */
typedef struct pl_projection {
    double x, y; /* the floor's corner at the back, left */
    double across_x, across_y, forward_x, forward_y, up;
} pl_projection;

/* The projection that fills a page below its top `above` points, leaving room for the axes' numbers
 * and labels.  layout: its sizes are set. */
pl_projection pl_relief_project(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                                double above);

/* Where the profile of heat row `row` at column `col` is drawn. */
void pl_relief_point(const pl_projection *p, const pl_heat *heat, size_t row, size_t col, double *x,
                     double *y);

void pl_relief_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    double above);

/* Gives all reliefs among the figures one height. */
void pl_relief_share(pl_figure *figures, size_t count);

#endif
