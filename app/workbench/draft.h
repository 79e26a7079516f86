/* app/workbench/draft.h -- the figure dialog: while a line is typed whose command draws a figure
 * (pl_command.draft), its keys are listed as fields that up and down go to, and the figure stands
 * beside them as the line has it, made anew at each change. */
#ifndef PL_APP_WORKBENCH_DRAFT_H
#define PL_APP_WORKBENCH_DRAFT_H

#include "app/draft.h"
#include "app/workbench/jobs.h"

/* Before a frame: reads the line.  Behind it: asks the worker for the figure. */
void pl_draft_fill(pl_screen *screen);
void pl_draft_pump(pl_screen *screen);
/* Takes a job's figure. */
void pl_draft_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event);
/* Another model is open, or the screen is left. */
void pl_draft_drop(pl_screen *screen);

bool pl_draft_is_open(const pl_screen *screen);
/* What the field with the cursor is for; false: it is in none. */
bool pl_draft_say(const pl_screen *screen, pl_buf *out);
void pl_draft_draw(pl_screen *screen, pl_rect rect);

/* Puts the cursor into the field before, behind; false where the dialog is not open. */
bool pl_draft_step(pl_screen *screen, int by);
/* Before the line is entered: takes a field that nothing was put into out of it.  True where the
 * line stays open, since its figure cannot be as it says. */
bool pl_draft_enter(pl_screen *screen);
/* As step, to the field under the mouse. */
void pl_draft_point(pl_screen *screen, pl_mouse mouse);

/* The state that the figure is of: the screen's, or *own in a kept setting (the caller deinits it);
 * NULL where that cannot be had. */
const pl_state *pl_draft_state(const pl_screen *screen, pl_state *own);
/* The identity of the figure with its options; false where it is not made, and of two side by side,
 * which stay characters. */
bool pl_draft_key(const pl_screen *screen, pl_id *out);

#endif
