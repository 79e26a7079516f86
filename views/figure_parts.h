/* views/figure_parts.h -- what figure_view.c (drawing) and figure_keys.c (keys) share.  Private to
 * them. */
#ifndef PL_VIEWS_FIGURE_PARTS_H
#define PL_VIEWS_FIGURE_PARTS_H

#include "plots/look.h"
#include "views/panel.h"

/* Where the crosshair stops for a point; among named places at these, not between them. */
double pl_figure_stop_of(const pl_figure *figure, const pl_series *series, size_t i);

/* The data's x next to a place on the scale of its axis. */
double pl_figure_stop(const pl_figure *figure, double t);

/* Puts the crosshair on an x, in a heat map on a row, and marks the channel there where the look
 * follows them. */
void pl_figure_move_crosshair(pl_screen_model *model, pl_pane pane, const pl_figure_look *look,
                              const pl_figure *figure, double x, long row, pl_intent *intent);

/* The least range of x that can be zoomed to, on the scale of the axis. */
double pl_figure_least(const pl_figure *figure);

/* The range that the mouse is drawing. */
void pl_figure_mark_drag(const pl_pane_memo *memo, const pl_figure *figure, pl_surface *surface);

#endif
