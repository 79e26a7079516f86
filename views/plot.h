/* views/plot.h -- draws a figure (plots/figure.h) into a rectangle of cells: axes, ticks, rules,
 * series, a crosshair.  Bins keep maxima: the tallest stem of every column of dots is drawn. */
#ifndef PL_VIEWS_PLOT_H
#define PL_VIEWS_PLOT_H

#include "plots/figure.h"
#include "views/canvas.h"
#include "views/surface.h"

typedef struct pl_plot_options {
    pl_marks marks;
    bool stale;     /* the data is being replaced: drawn faint */
    bool crosshair; /* marks a channel */
    bool line;      /* and draws a line through it, which is no spike */
    double cursor;  /* x of the crosshair */
} pl_plot_options;

pl_style pl_plot_style(pl_tone tone);

/* Series 0 of several is drawn as caps behind the others, which are bars; a single one as bars.
 * figure->x.lo/hi is the range shown. */
PL_NODISCARD pl_status pl_plot_draw(const pl_figure *figure, const pl_plot_options *options,
                                    pl_surface *surface, pl_rect rect, pl_error *err);

#endif
