/* views/panel.h -- the interface of a pane, and what panes share.
 *
 * What the main, second and table pane show is a view (views/view.h). */
#ifndef PL_VIEWS_PANEL_H
#define PL_VIEWS_PANEL_H

#include "views/keys.h"
#include "views/screen_model.h"
#include "views/surface.h"

/* What a key asks of the event loop. */
typedef struct pl_intent {
    char command[600]; /* a command to run; "" for none */
    bool live;         /* a knob was turned: solve the selected layer behind the command */
    char prompt[600];  /* open the prompt with this text; "" for none */
    int focus;         /* pane to go to, -1: stay */
    int knob;          /* which knob was turned by a step, so that a turn is one step to undo; 0:
                          none, a value was typed */
    const char *say;   /* a static sentence for the message line; NULL: none */
    bool mark;         /* mark a channel in all views: */
    size_t channel;    /* this one; SIZE_MAX: none */
    bool counted;      /* model->count has been heeded; else the action is repeated */
    bool wait; /* what the mouse points at is on its way: give the report again after a frame */
} pl_intent;

typedef struct pl_panel {
    void (*draw)(pl_screen_model *model, pl_surface *surface, pl_rect rect);
    /* True if the action was the panel's. */
    bool (*act)(pl_screen_model *model, pl_action action, pl_intent *intent);
    /* Sees every key before the table does; true if it was taken.  NULL: none. */
    bool (*type)(pl_screen_model *model, pl_press press, pl_intent *intent);
    /* What the mouse does in the pane, which is that rectangle.  True if it went down on something
     * that Enter is for. */
    bool (*mouse)(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent);
} pl_panel;

/* The main, second and table pane show the views that the state's display names (view.c). */
extern const pl_panel pl_panel_layers, pl_panel_main, pl_panel_second, pl_panel_table,
    pl_panel_tuner;

const pl_panel *pl_panel_of(pl_pane pane);

/* The title line of a pane: its name and what it shows.  Focus is visible without colour. */
void pl_panel_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                    const char *title, const char *right);

/* What a title of that width says of the selected layer behind `prefix`, so that `right` finds its
 * place: name and shape, as much of them as fits.  A model must be open. */
void pl_panel_layer_title(const pl_screen_model *model, const char *prefix, int width,
                          const char *right, char *out, size_t capacity);

/* Scrolls so that `row` of `count` is within `rows` lines; returns the first line shown. */
size_t pl_panel_scroll(size_t top, size_t row, size_t count, int rows);

/* The same for a list that the wheel may have scrolled: it stays there until another row is
 * selected.  *held: 0, or the row that was selected when it was scrolled, and 1. */
size_t pl_panel_scroll_held(size_t top, size_t row, size_t *held, size_t count, int rows);

/* There is a calibration to solve with, or the model brings its own. */
bool pl_can_solve(const pl_state *state);
/* What to do where not, for pl_keymap_say: "{calibrate} calibrates"; a bare model needs inputs. */
const char *pl_calibrate_hint(const pl_state *state);

/* The picture if it is of the selected layer, else NULL. */
const pl_picture *pl_present_picture(const pl_screen_model *model);
/* There is none yet, but it is on its way. */
bool pl_picture_comes(const pl_screen_model *model);

/* One line each; a message takes as many as its rectangle has.  It returns how many it filled. */
void pl_header_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect);
int pl_message_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect);
void pl_footer_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect);

/* The tuner: turns the selected parameter by so many steps, from whatever pane. */
bool pl_tuner_turn(pl_screen_model *model, int steps, pl_intent *intent);

#endif
