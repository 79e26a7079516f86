/* views/figure_legend.h -- the lines above a plot: series with their values at the crosshair, what
 * the crosshair says, facts, the colours of a heat map. */
#ifndef PL_VIEWS_FIGURE_LEGEND_H
#define PL_VIEWS_FIGURE_LEGEND_H

#include "views/plot.h"

/* Draws into the rectangle's lines, at most rect.h; said: put before the values at the crosshair;
 * facts: add the facts in a line of their own, if one is left.  Returns how many lines it took. */
int pl_figure_legend(const pl_figure *figure, const pl_plot_options *options, const char *said,
                     bool facts, pl_surface *surface, pl_rect rect);

#endif
