/* app/workbench/knob.h -- live solves: intermediate frames, preparing the next turn, and the
 * meaning of a strength. */
#ifndef PL_APP_WORKBENCH_KNOB_H
#define PL_APP_WORKBENCH_KNOB_H

#include "app/workbench/parts.h"

/* On the worker: the job's solve with intermediate frames, then the whole picture. */
PL_NODISCARD pl_status pl_knob_run_solve(pl_screen_job *job, pl_task *task, pl_error *err);
/* On the worker: PL_JOB_KIND_READY and _MEANING. */
PL_NODISCARD pl_status pl_knob_run_idle(pl_screen_job *job, pl_task *task, pl_error *err);

/* Lends a job the worker's pl_live.  False when memory is out. */
bool pl_knob_lend(pl_screen *screen, pl_screen_job *job);
/* Shows the newest frames of running live jobs; whether there were any. */
bool pl_knob_take_frames(pl_screen *screen);

/* The job for an idle worker: PL_JOB_KIND_READY, _MEANING, or _COUNT for none. */
pl_job_kind pl_knob_idle_kind(const pl_screen *screen);
void pl_knob_begin_idle(pl_screen *screen, pl_job_kind kind);
void pl_knob_end_idle(pl_screen *screen, const pl_screen_job *job, pl_status status);

/* The meaning of the selected layer's strength; NULL where it is unknown, or there is no
 * strength. */
const pl_strength *pl_knob_strength(const pl_screen *screen);

/* Notes the strength at which a search or sweep found a layer's least rounded error. */
void pl_knob_note_best(pl_screen *screen, size_t layer, double value);
/* That strength for the selected layer under the present methods; 0: unknown. */
double pl_knob_best(const pl_screen *screen);

/* Another model is open; the screen is left. */
void pl_knob_reset(pl_screen *screen);
void pl_knob_free(pl_screen *screen);

#endif
