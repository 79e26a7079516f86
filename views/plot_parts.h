/* views/plot_parts.h -- what the files of the plot share: plot.c (axes, rules, crosshair),
 * plot_series.c (lines, points, stems, steps), plot_spread.c (fans, boxes), plot_heat.c.  Private
 * to these. */
#ifndef PL_VIEWS_PLOT_PARTS_H
#define PL_VIEWS_PLOT_PARTS_H

#include "views/plot.h"

typedef struct pl_plot {
    const pl_figure *figure;
    const pl_plot_options *options;
    pl_surface *surface;
    pl_rect rect; /* the whole */
    pl_rect area; /* where data is drawn */
    pl_canvas canvas;
    unsigned flags; /* added to every style */
} pl_plot;

/* A value's place along an axis, 0 ... 1; beyond for values out of range, negative for what a log
 * axis cannot show. */
double pl_plot_share(const pl_axis *axis, double value);

/* The column of dots at an x; may be out of range. */
int pl_plot_dot_x(const pl_plot *p, double x);

/* Dot of a y from the bottom, clamped to the canvas; at least 0. */
int pl_plot_dot_y(const pl_plot *p, double y);

/* Cell row of a y within the area, -1 outside it; cell column of an x, -1 outside. */
int pl_plot_row(const pl_plot *p, double y);
int pl_plot_col(const pl_plot *p, double x);

/* The columns of dots [*from, *to] of one unit of x, centred at x; false if out of range. */
bool pl_plot_columns(const pl_plot *p, double x, int *from, int *to);

void pl_plot_series(pl_plot *p, size_t i);
void pl_plot_fan(pl_plot *p, size_t i);
void pl_plot_boxes(pl_plot *p, size_t i);
void pl_plot_heat(pl_plot *p);
void pl_plot_heat_cursor(pl_plot *p);

#endif
