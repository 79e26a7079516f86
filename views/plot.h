/* views/plot.h -- draws a figure (plots/figure.h) into a rectangle of cells: axes, ticks, rules,
 * every kind of mark, a crosshair.  Nothing is lost by thinning: of the points that share a column
 * of dots the smallest and the largest are drawn, of the cells of a heat map the largest. */
#ifndef PL_VIEWS_PLOT_H
#define PL_VIEWS_PLOT_H

#include "plots/figure.h"
#include "views/canvas.h"
#include "views/surface.h"

typedef struct pl_plot_options {
    pl_marks marks;
    int colours;    /* of the terminal: 256, 8 or 0 */
    bool stale;     /* data of an earlier state: drawn faint */
    bool crosshair; /* marks an x */
    bool line;      /* and draws a line through it (its style is none of the data's) */
    double cursor;  /* x of the crosshair */
    size_t row;     /* its row of a heat map */
    bool marked;    /* the channel that is marked in all views: */
    double mark;    /* its x, where that is not the crosshair */
    pl_rect *area;  /* out: where data was drawn; or NULL */
} pl_plot_options;

pl_style pl_plot_style(pl_tone tone);

/* A line with at most this many points shows each of them. */
enum { PL_PLOT_FEW = 24 };

/* The character that stands for series i in legends and, where neither colour nor braille tells
 * series apart, in the plot. */
uint32_t pl_plot_symbol(const pl_figure *figure, size_t i, const pl_plot_options *options);

/* Whether series i of stems or steps is drawn as bars: the last one that is no pinned baseline.
 * The others are outlines in front of them. */
bool pl_plot_is_bars(const pl_figure *figure, size_t i);

/* figure->x.lo/hi is the range of x shown, figure->y.lo/hi that of y (of a heat map: of rows).
 * Tables are not drawn here (views/plot_table.h). */
PL_NODISCARD pl_status pl_plot_draw(const pl_figure *figure, const pl_plot_options *options,
                                    pl_surface *surface, pl_rect rect, pl_error *err);

/* Draws a heat map's colours between their end values, from column col of a row; returns the
 * columns it took, 0 if `room` is too small. */
int pl_plot_colour_bar(const pl_heat *heat, const pl_plot_options *options, pl_surface *surface,
                       pl_rect rect, int row, int col, int room);

#endif
