/* views/figure_view.h -- what the views that draw a figure share: title, legend with the values at
 * the crosshair, facts, plot or table, what is missing; crosshair, zoom and rows by keys.  The
 * figure's look (plots/look.h) says what a place on the x axis means. */
#ifndef PL_VIEWS_FIGURE_VIEW_H
#define PL_VIEWS_FIGURE_VIEW_H

#include "views/view.h"

/* The argument of a look's functions. */
pl_looked pl_figure_looked(const pl_screen_model *model, const pl_figure *figure);

/* The view of the pane's kind. */
void pl_figure_view_draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                         const pl_figure_look *look);
bool pl_figure_view_mouse(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                          pl_intent *intent, const pl_figure_look *look);
bool pl_figure_view_act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent,
                        const pl_figure_look *look);

/* Legend with the values at the crosshair, and the plot or table, below the rect's first line. */
void pl_figure_view_body(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                         const pl_figure_look *look, const pl_figure *figure, bool stale);
/* Why there is no figure, or what is waited for. */
void pl_figure_view_none(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                         const pl_screen_view *view, const pl_shown *shown);

/* The plot alone: crosshair, marked channel and zoom of the pane. */
void pl_figure_view_plot(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                         const pl_figure_look *look, const pl_figure *figure, bool stale);

/* Title line: the view or `title`, the layer, the value axis with its scale. */
void pl_figure_view_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                          pl_pane pane, const pl_figure_look *look, const char *right);

/* The x of the crosshair, the row of a heat map. */
double pl_figure_cursor(const pl_screen_model *model, pl_pane pane, const pl_figure_look *look,
                        const pl_figure *figure, size_t *row);

/* The mouse and the keys in a plot of a figure that the caller has. */
bool pl_figure_mouse(pl_screen_model *model, pl_pane pane, pl_mouse mouse, pl_intent *intent,
                     const pl_figure_look *look, const pl_figure *figure);
bool pl_figure_keys(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent,
                    const pl_figure_look *look, const pl_figure *figure);

#endif
