/* plots/layout.h -- where everything of a figure goes on a page: geometry only.
 *
 * All lengths are in points (1/72 in), y grows downwards.  What does not fit is dropped in a fixed
 * order: title, axis labels, tick labels; the plot itself always stays. */
#ifndef PL_PLOTS_LAYOUT_H
#define PL_PLOTS_LAYOUT_H

#include "plots/figure.h"
#include "plots/fonts.h"

typedef struct pl_rect {
    double x0, y0, x1, y1;
} pl_rect;

typedef struct pl_layout {
    double width, height; /* the page */
    double pixel;         /* side of a device pixel; lines are snapped to it */
    double text, small;   /* sizes of labels and title, and of ticks, legend and notes */
    double pad;           /* margin, and the gap between neighbours */
    double tick;          /* length of a major tick */
    double spine;         /* width of the frame's lines */
    double scale;         /* of line widths, 1 from 5 in on */
    bool title, labels, numbers;
    pl_rect plot; /* centres of the spines */
    pl_tick x[PL_MAX_TICKS], y[PL_MAX_TICKS];
    size_t n_x, n_y;
} pl_layout;

void pl_layout_make(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                    double pixel, pl_layout *out);

/* Data to page; values outside the axis land on its ends. */
double pl_layout_at_x(const pl_layout *layout, const pl_figure *figure, double value);
double pl_layout_at_y(const pl_layout *layout, const pl_figure *figure, double value);

/* A line width in whole pixels, at least one, and the centre of such a line nearest to `at`. */
double pl_layout_width(const pl_layout *layout, double width);
double pl_layout_snap(const pl_layout *layout, double at, double width);

#endif
