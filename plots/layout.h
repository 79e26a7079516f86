/* plots/layout.h -- where everything of a figure goes on a page: geometry only.
 *
 * All lengths are in points (1/72 in), y grows downwards.  What does not fit is dropped in a fixed
 * order: title, axis labels, tick labels and colour bar; the plot itself always stays. */
#ifndef PL_PLOTS_LAYOUT_H
#define PL_PLOTS_LAYOUT_H

#include "plots/figure.h"
#include "plots/fonts.h"
#include "plots/palette.h"

typedef struct pl_area {
    double x0, y0, x1, y1;
} pl_area;

/* How a figure is drawn, beside its data; all zero: alone on its page. */
typedef struct pl_draw_options {
    bool no_x_label, no_y_label; /* without label and numbers: the neighbour's axis is shared */
    const char *letter;          /* "a": bold in the upper left corner, or NULL */
    pl_area margins;    /* at least these left, top, right and bottom of the plot, points */
    double text;        /* size of labels and title, points; 0: 5 ... 10 by the page */
    pl_palette palette; /* of a heat map */
} pl_draw_options;

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
    double x_most, y_most; /* widest tick label: longer ones end in an ellipsis; 0: any */
    bool upright;          /* x tick labels read upwards */
    pl_area strip;         /* of the legend above the plot; empty: the legend is inside */
    pl_area plot;          /* centres of the spines */
    pl_area bar;           /* the colour bar; empty: none */
    pl_tick x[PL_MAX_TICKS], y[PL_MAX_TICKS], colour[PL_MAX_TICKS];
    size_t n_x, n_y, n_colour;
} pl_layout;

void pl_layout_make(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                    double pixel, pl_layout *out);

/* The same with options (NULL: none) and, above the plot, room for a strip of that height. */
void pl_layout_make_with(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                         double pixel, const pl_draw_options *options, double strip,
                         pl_layout *out);

/* The sizes of texts and lines alone. */
void pl_layout_sizes(pl_layout *layout);

/* Whether numbers stand along the axes. */
bool pl_layout_x_numbers(const pl_layout *layout);
bool pl_layout_y_numbers(const pl_layout *layout);

/* Data to page; values outside the axis land on its ends. */
double pl_layout_at_x(const pl_layout *layout, const pl_figure *figure, double value);
double pl_layout_at_y(const pl_layout *layout, const pl_figure *figure, double value);
/* A heat map's value to its height in the colour bar. */
double pl_layout_at_colour(const pl_layout *layout, const pl_heat *heat, double value);

/* Page to data. */
double pl_layout_x_of(const pl_layout *layout, const pl_figure *figure, double at);
double pl_layout_y_of(const pl_layout *layout, const pl_figure *figure, double at);

/* A line width in whole pixels, at least one, and the centre of such a line nearest to `at`. */
double pl_layout_width(const pl_layout *layout, double width);
double pl_layout_snap(const pl_layout *layout, double at, double width);

#endif
