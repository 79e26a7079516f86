/* views/figure_parts.h -- what figure_view.c (drawing) and figure_keys.c (keys) share.  Private to
 * them. */
#ifndef PL_VIEWS_FIGURE_PARTS_H
#define PL_VIEWS_FIGURE_PARTS_H

#include "plots/look.h"
#include "views/panel.h"

/* Where the crosshair stops for a point; on an axis with names only at these. */
double pl_figure_stop_of(const pl_figure *figure, const pl_series *series, size_t i);

/* The stop nearest to a place on the scale of the axis. */
double pl_figure_stop(const pl_figure *figure, double t);

/* Puts the crosshair at an x (and, in a heat map, a row), and marks the channel there where the
 * look follows channels. */
void pl_figure_move_crosshair(pl_screen_model *model, pl_pane pane, const pl_figure_look *look,
                              const pl_figure *figure, double x, long row, pl_intent *intent);

/* The narrowest zoom: a range of x on the scale of the axis. */
double pl_figure_least(const pl_figure *figure);

/* Draws the range that the mouse is selecting. */
void pl_figure_mark_drag(const pl_pane_memo *memo, const pl_figure *figure, pl_surface *surface);

#endif
