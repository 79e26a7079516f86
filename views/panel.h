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
    char select[600];  /* the layer to select before the command; "" for none */
    bool live;         /* a knob was turned: solve the selected layer after the command */
    char prompt[600];  /* open the prompt with this text; "" for none */
    int focus;         /* pane to go to, -1: stay */
    int knob; /* the knob that was turned, so that undo takes a whole turn back; 0: none, or a value
                 was typed */
    const char *say; /* a static sentence for the message line; NULL: none */
    bool mark;       /* mark a channel in all views: */
    size_t channel;  /* this one; SIZE_MAX: none */
    bool counted;    /* model->count was used; else the action is repeated */
    bool wait; /* what the mouse points at is not there yet: repeat the report after a frame */
} pl_intent;

typedef struct pl_panel {
    void (*draw)(pl_screen_model *model, pl_surface *surface, pl_rect rect);
    /* True if the action was the panel's. */
    bool (*act)(pl_screen_model *model, pl_action action, pl_intent *intent);
    /* Gets every key before the table does; true if it took it.  NULL: none. */
    bool (*type)(pl_screen_model *model, pl_press press, pl_intent *intent);
    /* A report of the mouse in the pane, whose rectangle is rect.  True if the button went down on
     * something that Enter acts on. */
    bool (*mouse)(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent);
} pl_panel;

/* The main, second and table pane show the views that the state's display names (view.c). */
extern const pl_panel pl_panel_layers, pl_panel_main, pl_panel_second, pl_panel_table,
    pl_panel_tuner;

const pl_panel *pl_panel_of(pl_pane pane);

/* The title line of a pane: its name and what it shows.  Focus is visible without colour. */
void pl_panel_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                    const char *title, const char *right);

/* A layer's name and shape for a title of that width, behind `prefix`, cut so that
 * `right` fits.  A model must be open. */
void pl_panel_layer_title(const pl_screen_model *model, size_t index, const char *prefix, int width,
                          const char *right, char *out, size_t capacity);

/* Scrolls so that `row` of `count` is within `rows` lines; returns the first line shown. */
size_t pl_panel_scroll(size_t top, size_t row, size_t count, int rows);

/* The same for a list that the wheel may have scrolled: it stays there until another row is
 * selected.  *held: 0, or 1 + the row that was selected then. */
size_t pl_panel_scroll_held(size_t top, size_t row, size_t *held, size_t count, int rows);

/* Whether there is a calibration to solve with, or the model brings its own. */
bool pl_can_solve(const pl_state *state);
/* What to do if not, for pl_keymap_say: "{calibrate} calibrates"; for a bare model, to
 * give inputs. */
const char *pl_calibrate_hint(const pl_state *state);

/* The picture if it is of the selected layer, else NULL. */
const pl_picture *pl_present_picture(const pl_screen_model *model);
/* Whether there is no picture yet, but one is being made. */
bool pl_picture_comes(const pl_screen_model *model);

/* Header and footer are one line; a message fills up to its rectangle's lines and returns
 * how many. */
void pl_header_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect);
int pl_message_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect);
void pl_footer_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect);

/* Turns the tuner's selected parameter by so many steps, in any pane. */
bool pl_tuner_turn(pl_screen_model *model, int steps, pl_intent *intent);

#endif
