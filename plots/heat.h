/* plots/heat.h -- heat maps and their colour bar. */
#ifndef PL_PLOTS_HEAT_H
#define PL_PLOTS_HEAT_H

#include "plots/layout.h"

#include <cairo.h>

/* The largest value of each column of pixels of a row of cells; columns[i] is the value of
 * [edges[i], edges[i + 1]), x positions of data, rising.  A cell is in the column of its left edge,
 * and where none starts, in that of its middle, so that every cell is in some column.  NaN: no
 * value.  The same along rows. */
void pl_heat_thin(const float *cells, size_t count, size_t stride, double first, double step,
                  const double *edges, size_t n, float *columns);

/* Left edge of the first cell, x of data. */

/* Cells inside the plot, thinned to device pixels (at most 600 dots an inch) with each dot showing
 * its largest cell; light grey hatching where there is no value. */
PL_NODISCARD pl_status pl_heat_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                                    pl_error *err);

/* The colour bar beside the plot with its ticks, numbers and label. */
void pl_heat_bar(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts);

#endif
