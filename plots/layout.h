/* plots/layout.h -- where the parts of a figure go on a page: geometry only.
 *
 * All lengths are in points (1/72 in), y grows downwards.  Texts that do not fit are set smaller,
 * down to 5 pt, and over several lines; `needs` tells the width that would hold those that still do
 * not fit.  A thumbnail drops them, in this order: title, axis labels, tick labels and
 * colour bar. */
#ifndef PL_PLOTS_LAYOUT_H
#define PL_PLOTS_LAYOUT_H

#include "plots/figure.h"
#include "plots/fonts.h"
#include "plots/options.h"
#include "plots/palette.h"
#include "plots/wrap.h"

typedef struct pl_area {
    double x0, y0, x1, y1;
} pl_area;

/* How a figure is drawn; all zero: alone on its page. */
typedef struct pl_draw_options {
    bool no_x_label, no_y_label; /* leave out label and numbers, which the neighbour's axis shows */
    const char *letter;          /* "a": bold in the upper left corner, or NULL */
    pl_area margins;     /* at least these left, top, right and bottom of the plot, points */
    double text;         /* size of labels and title, points; 0: 5 ... 10 by the page */
    double inches;       /* page size that lines and gaps suit; 0: the panel's */
    pl_colormap palette; /* of a heat map */
    const pl_figure_options *author; /* legend, line width; NULL: defaults */
} pl_draw_options;

/* Room for a legend outside the plot: below the x axis' label, or at the right. */
typedef struct pl_strip {
    double below, right;
} pl_strip;

/* Points.  A figure of this size or more must hold all its texts; a smaller one is a thumbnail. */
#define PL_THUMBNAIL (1.25 * 72)

typedef struct pl_layout {
    double width, height; /* the page */
    double pixel;         /* side of a device pixel; lines are snapped to it */
    double text, small;   /* sizes of labels and title, and of ticks, legend and notes */
    double pad;           /* margin, and the gap between neighbours */
    double tick;          /* length of a major tick */
    double spine;         /* width of the frame's lines */
    double scale;         /* of line widths, 1 from 5 in on */
    bool title, labels, numbers;
    pl_draw_options options;
    double letter;         /* width to keep free for the panel's letter */
    double names;          /* size of names at ticks */
    double wide_x, wide_y; /* the widest of an axis' names at that size; 0: it has numbers */
    bool upright;          /* x tick labels read upwards */
    pl_wrapped heading, x_label, y_label, bar_label; /* the texts around the plot */
    double x_label_y, y_label_x;                     /* the near edges of two of them */
    double floor; /* where x label and legend begin, above which labels beside the plot end */
    double needs; /* width in which its texts would fit, points; 0: they fit */
    const char *too_wide; /* the text that needs it; NULL: the plot, beside its texts */
    pl_area strip;        /* of the legend outside the plot; empty: the legend is inside */
    pl_area plot;         /* centres of the spines */
    pl_area bar;          /* the colour bar; empty: none */
    pl_tick x[PL_MAX_TICKS], y[PL_MAX_TICKS], colour[PL_MAX_TICKS];
    size_t n_x, n_y, n_colour;
} pl_layout;

/* Lays a figure out; options and strip may be NULL. */
void pl_layout_make(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                    double pixel, const pl_draw_options *options, const pl_strip *strip,
                    pl_layout *out);

/* The sizes of texts and lines alone. */
void pl_layout_sizes(pl_layout *layout);

/* Size of an axis' numbers or names. */
double pl_layout_tick_size(const pl_layout *layout, const pl_axis *axis);

/* Whether numbers stand along the axes. */
bool pl_layout_x_numbers(const pl_layout *layout);
bool pl_layout_y_numbers(const pl_layout *layout);

/* Data to page; values outside the axis go to its ends or, where the axis is cropped,
 * beyond them. */
double pl_layout_at_x(const pl_layout *layout, const pl_figure *figure, double value);
double pl_layout_at_y(const pl_layout *layout, const pl_figure *figure, double value);
/* A heat map's value to its height in the colour bar. */
double pl_layout_at_colour(const pl_layout *layout, const pl_heat *heat, double value);

/* Page to data. */
double pl_layout_x_of(const pl_layout *layout, const pl_figure *figure, double at);
double pl_layout_y_of(const pl_layout *layout, const pl_figure *figure, double at);

/* Where an upright label that may begin at `top` has to end: at the floor, or at the page's end if
 * it is longer. */
double pl_layout_floor(const pl_layout *layout, const pl_wrapped *label, double top);

/* A line width in whole pixels, at least one.  snap: the nearest centre to `at` for such a line. */
double pl_layout_width(const pl_layout *layout, double width);
double pl_layout_snap(const pl_layout *layout, double at, double width);

#endif
