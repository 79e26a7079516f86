/* app/workbench/figures.h -- a figure for each visible pane whose view has one, made on the worker
 * and kept until a newer one arrives. */
#ifndef PL_APP_WORKBENCH_FIGURES_H
#define PL_APP_WORKBENCH_FIGURES_H

#include "app/workbench/jobs.h"

PL_NODISCARD pl_status pl_figures_create(pl_screen *screen, pl_error *err);
void pl_figures_free(pl_screen *screen);

/* Another model is open. */
void pl_figures_drop(pl_screen *screen);

/* Asks for the figures that visible panes lack; cancels those that are no longer visible. */
void pl_figures_pump(pl_screen *screen);
/* Whether a figure waits until the state stops changing: the loop must call pump again soon. */
bool pl_figures_rest(const pl_screen *screen);
/* Takes a job's figure. */
void pl_figures_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event);
/* Makes figures that failed or were cancelled again. */
void pl_figures_retry(pl_screen *screen);

/* The request of the main pane's figure as `plot` draws it, and the identity of what it depends on,
 * with (key) and without (base) the marked channel; ready: it can be made now.  False where the
 * pane shows no figure, or a live picture or comparison in its place. */
bool pl_figures_paper(const pl_screen *screen, pl_request *out, pl_id *key, pl_id *base,
                      bool *ready);

/* Identity of everything that a request's figure depends on, with or without the marked channel. */
pl_id pl_figures_key(const pl_screen *screen, const pl_state *state, const pl_request *request,
                     bool with_channel);

/* Fills model.shown. */
void pl_figures_fill(pl_screen *screen);

/* Opens the prompt with the command that writes what the focused pane shows. */
void pl_figures_offer(pl_screen *screen);

#endif
