/* views/figure_view.h -- what the views that draw a figure share: title, legend with the values at
 * the crosshair, facts, plot or table, what is missing; crosshair, zoom and rows by keys.  A view
 * adds its texts and what a place on its x axis means. */
#ifndef PL_VIEWS_FIGURE_VIEW_H
#define PL_VIEWS_FIGURE_VIEW_H

#include "views/view.h"

typedef struct pl_figure_look {
    bool follows; /* the crosshair is the channel that is marked in all views */
    bool snaps;   /* the crosshair starts at the point next to its place */
    bool whole;   /* of the whole model: the title names no layer */
    /* x of a channel, or of what is selected; NaN where it has none.  NULL: no place. */
    double (*place)(const pl_screen_model *model, const pl_figure *figure);
    /* The channel at an x, SIZE_MAX for none.  NULL: x means no channel. */
    size_t (*channel)(const pl_screen_model *model, const pl_figure *figure, double x);
    /* Appends what the crosshair at x says instead of the x alone; NULL: the axis' name or number.
     * row: of a heat map. */
    void (*say)(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out);
    /* Enter at x; NULL: marks the channel, if there is one. */
    void (*enter)(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                  pl_intent *intent);
} pl_figure_look;

void pl_figure_view_draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                         const pl_figure_look *look);
bool pl_figure_view_act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent,
                        const pl_figure_look *look);

/* The plot alone: crosshair, marked channel and zoom of the pane. */
void pl_figure_view_plot(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                         pl_pane pane, const pl_figure_look *look, const pl_figure *figure,
                         bool stale);

/* Title line: the view or `title`, the layer, the value axis with its scale. */
void pl_figure_view_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                          pl_pane pane, bool whole, const char *right);

/* The x of the crosshair, the row of a heat map. */
double pl_figure_cursor(const pl_screen_model *model, pl_pane pane, const pl_figure_look *look,
                        const pl_figure *figure, size_t *row);

/* The keys of a plot on a figure that the caller has. */
bool pl_figure_keys(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent,
                    const pl_figure_look *look, const pl_figure *figure);

/* y of a series at (next to) x: false if it has none there. */
bool pl_series_at(const pl_series *series, const pl_axis *axis, double x, size_t *index);

#endif
