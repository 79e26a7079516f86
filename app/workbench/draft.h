/* app/workbench/draft.h -- the figure dialog: while the line being typed is of a command that draws
 * a figure (pl_command.draft), its keys are listed as fields that up and down go to, and beside
 * them stands the figure, made again at each change. */
#ifndef PL_APP_WORKBENCH_DRAFT_H
#define PL_APP_WORKBENCH_DRAFT_H

#include "app/draft.h"
#include "app/workbench/jobs.h"

/* fill: before a frame, reads the line.  pump: after it, asks the worker for the figure. */
void pl_draft_fill(pl_screen *screen);
void pl_draft_pump(pl_screen *screen);
/* Takes a job's figure. */
void pl_draft_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event);
/* Drops all: another model is open, or the screen is closing. */
void pl_draft_drop(pl_screen *screen);

bool pl_draft_is_open(const pl_screen *screen);
/* Help for the field with the cursor; false: it is in none. */
bool pl_draft_say(const pl_screen *screen, pl_buf *out);
void pl_draft_draw(pl_screen *screen, pl_rect rect);

/* Moves the cursor to the next field (by 1) or the previous one (by -1); false where the dialog is
 * not open. */
bool pl_draft_step(pl_screen *screen, int by);
/* Before the line is entered: removes an empty field from it.  True if the line must stay open,
 * since its figure cannot be made. */
bool pl_draft_enter(pl_screen *screen);
/* Moves the cursor to the field under the mouse. */
void pl_draft_point(pl_screen *screen, pl_mouse mouse);

/* The figure's state: the screen's or, for a kept setting, *own (the caller deinits it); NULL on
 * failure. */
const pl_state *pl_draft_state(const pl_screen *screen, pl_state *own);
/* The identity of the figure with its options; false where there is none yet, and for two side by
 * side, which are never images. */
bool pl_draft_key(const pl_screen *screen, pl_id *out);

#endif
