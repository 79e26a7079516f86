/* app/workbench/work.h -- submits what is wanted and not running. */
#ifndef PL_APP_WORKBENCH_WORK_H
#define PL_APP_WORKBENCH_WORK_H

#include "app/command.h"

/* Submits what is wanted and not running. */
void pl_screen_pump_jobs(pl_screen *screen);

/* Submits a command's run half; line: the typed line that waits for it, or 0.  Takes call over on
 * success. */
PL_NODISCARD pl_status pl_screen_submit_call(pl_screen *screen, pl_call *call, uint64_t line,
                                             pl_error *err);

/* Cancels the newest job that the user started; false if there is none. */
bool pl_screen_cancel(pl_screen *screen);
/* Cancels one job by its number. */
void pl_screen_cancel_job(pl_screen *screen, uint64_t id);

/* Another model is open: drops pictures and scores. */
void pl_screen_new_model(pl_screen *screen);
/* The calibration has changed: computes input scores again. */
void pl_screen_new_inputs(pl_screen *screen);

#endif
