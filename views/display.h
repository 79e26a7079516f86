/* views/display.h -- which view each pane of the screen shows, and how: part of what undo, sessions
 * and copies of a state keep.  A state holds it as a value of JSON that only this file reads
 * (pl_state_screen).
 *
 * The names are those of views (views/view.h) and, for the main, second and table pane, of figures
 * (plots/kinds.h). */
#ifndef PL_VIEWS_DISPLAY_H
#define PL_VIEWS_DISPLAY_H

#include "core/state/state.h"

enum { PL_DISPLAY_PANES = 3, PL_VIEW_NAME = 32 };

typedef struct pl_pane_view {
    char view[PL_VIEW_NAME]; /* "channels" */
    char form[PL_VIEW_NAME]; /* "" for the view's first */
    bool sorted, log;
} pl_pane_view;

typedef struct pl_display {
    pl_pane_view panes[PL_DISPLAY_PANES]; /* main, second, table */
    bool split;                           /* the second pane is shown */
    char zoom[PL_VIEW_NAME];              /* name of the pane that has the screen, "": none */
} pl_display;

/* "main", "second", "table"; "" where there is no such pane. */
const char *pl_display_pane_name(size_t pane);

/* The display that a state holds; what is missing or wrong in it is as a screen starts: channels,
 * histogram beside it when split, outliers. */
pl_display pl_display_of(const pl_state *state);

/* Whether the second pane is shown: quicker than pl_display_of, for every frame. */
bool pl_display_is_split(const pl_state *state);

/* On failure (PL_ERR_MEMORY) the state is unchanged. */
PL_NODISCARD pl_status pl_display_set(pl_state *state, const pl_display *display, pl_error *err);

#endif
