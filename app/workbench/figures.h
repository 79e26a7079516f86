/* app/workbench/figures.h -- a figure for each visible pane whose view draws one, made on the
 * worker and kept until a newer one has come. */
#ifndef PL_APP_WORKBENCH_FIGURES_H
#define PL_APP_WORKBENCH_FIGURES_H

#include "core/run/worker.h"
#include "views/screen_model.h"

struct pl_screen;
struct pl_screen_job;
typedef struct pl_screen_figures pl_screen_figures;

/* Where the user was in each view of a pane. */
typedef struct pl_screen_memos {
    size_t view;          /* the one whose memo is in the model */
    pl_pane_memo *memos;  /* [views] */
} pl_screen_memos;

PL_NODISCARD pl_status pl_screen_make_figures(struct pl_screen *screen, pl_error *err);
void pl_screen_free_figures(struct pl_screen *screen);

/* Another model is open. */
void pl_screen_drop_figures(struct pl_screen *screen);

/* Asks for what the visible panes lack; cancels what nobody looks at. */
void pl_screen_pump_figures(struct pl_screen *screen);

/* Whether a figure waits for the state to rest: the loop must look again soon. */
bool pl_screen_figures_rest(const struct pl_screen *screen);

/* Takes a job's figure. */
void pl_screen_end_figure(struct pl_screen *screen, struct pl_screen_job *job,
                          const pl_job_event *event);

/* Figures that failed or were cancelled are made again. */
void pl_screen_retry_figures(struct pl_screen *screen);

/* Fills model.shown. */
void pl_screen_fill_figures(struct pl_screen *screen);

/* Opens the prompt with the command that writes what the focused pane shows. */
void pl_screen_offer_figure(struct pl_screen *screen);

#endif
