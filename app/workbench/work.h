/* app/workbench/work.h -- gives the worker what is wanted and not under way. */
#ifndef PL_APP_WORKBENCH_WORK_H
#define PL_APP_WORKBENCH_WORK_H

#include "app/command.h"

/* Submits whatever is wanted and not under way. */
void pl_screen_pump_jobs(pl_screen *screen);

/* A command's run half; line: 0 or the typed line that waits for it.  Takes call over on success.
 */
PL_NODISCARD pl_status pl_screen_submit_call(pl_screen *screen, pl_call *call, uint64_t line,
                                             pl_error *err);

/* Cancels the newest thing the user started; false if nothing runs. */
bool pl_screen_cancel(pl_screen *screen);
/* Cancels one job by its number. */
void pl_screen_cancel_job(pl_screen *screen, uint64_t id);

/* Forgets pictures and scores: another model is open. */
void pl_screen_new_model(pl_screen *screen);
/* The calibration is another one: input scores are computed again. */
void pl_screen_new_inputs(pl_screen *screen);

#endif
