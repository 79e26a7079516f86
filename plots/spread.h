/* plots/spread.h -- spreads as fans and box plots.
 *
 * A fan: bands from 1 to 99 % and from 25 to 75 %, thin lines at the minimum and maximum, a line at
 * the median.  A box: from 25 to 75 %, a line at the median, whiskers from 1 to 99 %, marks at the
 * minimum and maximum. */
#ifndef PL_PLOTS_SPREAD_H
#define PL_PLOTS_SPREAD_H

#include "plots/layout.h"

#include <cairo.h>

/* A spread on the page: y[k] of the k-th of its PL_SPREAD numbers.  Where several spreads share a
 * column of pixels, the lower three numbers are the least, the upper three the largest, and the
 * medians reach from y[3] to top. */
typedef struct pl_column {
    double x;
    double y[PL_SPREAD];
    double top;
} pl_column;

/* The columns of a series of fans or boxes, thinned; none for other marks.  Boxes narrower than
 * about 2 points are thinned like fans (pl_spread_width is 0), wider ones never.  Caller frees *out
 * (NULL when there is none). */
PL_NODISCARD pl_status pl_spread_columns(const pl_figure *figure, const pl_layout *layout,
                                         const pl_series *series, pl_column **out, size_t *count,
                                         pl_error *err);

/* Width of a series' boxes, points; 0: drawn as a fan.  Series of boxes that start at the same x
 * stand side by side, *shift from their x. */
double pl_spread_width(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                       double *shift);

void pl_spread_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                    const pl_series *series, const pl_column *columns, size_t count);

/* A sample inside a box, for the legend. */
void pl_spread_swatch(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                      const pl_series *series, pl_area box);

#endif
