/* views/figure_parts.h -- what figure_view.c (drawing) and figure_keys.c (keys) share.  Private to
 * them. */
#ifndef PL_VIEWS_FIGURE_PARTS_H
#define PL_VIEWS_FIGURE_PARTS_H

#include "views/figure_view.h"

/* The range of an axis that is shown, by what was zoomed to, on the scale of the axis. */
void pl_axis_shown(const pl_axis *axis, double first, double shown, double *lo, double *hi);

/* Point i of a series: a bin's middle; a spread's maximum. */
double pl_series_x(const pl_series *series, size_t i);
double pl_series_y(const pl_series *series, size_t i);

/* The data's x next to a place on the scale of its axis. */
double pl_figure_stop(const pl_figure *figure, double t);

#endif
