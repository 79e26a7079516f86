/* plots/heat.h -- heat maps and their colour bar. */
#ifndef PL_PLOTS_HEAT_H
#define PL_PLOTS_HEAT_H

#include "plots/layout.h"

#include <cairo.h>

/* For each column of pixels the largest of the cells in it.  columns[i] is for data x in [edges[i],
 * edges[i + 1]), rising.  A cell counts for the column of its left edge; a column where no cell
 * begins takes the cell at its middle.  NaN: no value.  Used for rows likewise. */
void pl_heat_thin(const float *cells, size_t count, size_t stride, double first, double step,
                  const double *edges, size_t n, float *columns);

/* Cells inside the plot, thinned to device pixels (at most 600 dots an inch) with each dot showing
 * its largest cell; light grey hatching where there is no value. */
PL_NODISCARD pl_status pl_heat_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                                    pl_error *err);

/* The colour bar beside the plot with its ticks, numbers and label. */
void pl_heat_bar(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts);

#endif
