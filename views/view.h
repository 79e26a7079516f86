/* views/view.h -- what the main, the second and the table pane can show.
 *
 * Every figure (plots/kinds.h) is a view: the worker makes it, and its look says how to handle it,
 * so that `plot` exports what is shown.  Two of them have their own drawing, since they show the
 * live picture.  The log of commands and jobs is a view without a figure. */
#ifndef PL_VIEWS_VIEW_H
#define PL_VIEWS_VIEW_H

#include "plots/kinds.h"
#include "views/display.h"
#include "views/panel.h"

typedef struct pl_screen_view {
    const char *name;    /* "channels": in `view main=channels`, sessions, and pl_kind_find */
    const char *title;   /* of its pane */
    const char *help;    /* one sentence: what it shows, how to read it */
    const pl_kind *kind; /* its figure; NULL: none */
    bool figure;         /* it draws model->shown[pane].figure */
    /* Whether the pane draws from the live picture now and needs no figure; NULL: never. */
    bool (*live)(const pl_state *state, pl_pane pane);
    void (*draw)(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane);
    /* True if the action was the view's. */
    bool (*act)(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent);
    /* As pl_panel's. */
    bool (*mouse)(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                  pl_intent *intent);
} pl_screen_view;

/* NULL-terminated, in the order in which `v` goes through them.  UI thread only. */
const pl_screen_view *const *pl_views(void);
size_t pl_view_count(void);
const pl_screen_view *pl_view_find(const char *name);
size_t pl_view_place(const pl_screen_view *view); /* its index there */
/* Their names, "channels|histogram|...". */
const char *pl_view_names(void);

/* The view of a pane by the state's display; the pane's first one where the name is unknown.
 * NULL for PL_PANE_LAYERS and PL_PANE_TUNER. */
const pl_screen_view *pl_view_of(const pl_state *state, pl_pane pane);

/* A pane's order, scale and form; zeros for PL_PANE_LAYERS and PL_PANE_TUNER. */
pl_pane_view pl_view_settings(const pl_state *state, pl_pane pane);

/* Index of a form among a kind's ("maxima|fan"); 0 for "", -1 for an unknown one.  form_name: the
 * name of a form, "" for kinds without forms. */
int pl_view_form(const pl_kind *kind, const char *name);
void pl_view_form_name(const pl_kind *kind, int form, char out[PL_VIEW_NAME]);

/* The form in which a pane shows its view: the first where the name left there belongs to another
 * view. */
int pl_view_shown_form(const pl_state *state, pl_pane pane);

/* The request for the figure of a pane's view, as `plot` exports it; false for views without a
 * figure. */
bool pl_view_request(const pl_state *state, pl_pane pane, pl_request *out);

/* Whether the main pane shows its view in several settings side by side (compare.c). */
bool pl_view_compares(const pl_state *state, pl_pane pane);
void pl_view_compare_draw(pl_screen_model *model, pl_surface *surface, pl_rect rect);

/* The pane that has the screen, PL_PANE_COUNT for none. */
pl_pane pl_zoomed_pane(const pl_state *state);

/* Keys that change the display in any pane: next view, form, split, zoom.  True if the action was
 * one of these; the change is a command in *intent. */
bool pl_display_act(const pl_screen_model *model, pl_action action, pl_intent *intent);

extern const pl_screen_view pl_view_channels, pl_view_outliers, pl_view_log;

/* Index of a pane in pl_display.panes and model->shown; PL_DISPLAY_PANES for the others. */
size_t pl_view_index(pl_pane pane);

/* --- whole.c --------------------------------------------------------------------------------- */

/* Where the panes are on a screen of that size. */
pl_panes pl_screen_panes(const pl_screen_model *model, int rows, int cols);

/* The whole screen: header, panes, message and footer; the caller draws the prompt line when it is
 * open. */
void pl_screen_draw(pl_screen_model *model, pl_surface *surface, bool prompt_open);

#endif
