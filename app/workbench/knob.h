/* app/workbench/knob.h -- live solves: frames on their way, what the next turn needs, and what a
 * strength means. */
#ifndef PL_APP_WORKBENCH_KNOB_H
#define PL_APP_WORKBENCH_KNOB_H

#include "app/workbench/parts.h"

/* On the worker: the job's solve with frames on the way, then the whole picture. */
PL_NODISCARD pl_status pl_knob_run_solve(pl_screen_job *job, pl_task *task, pl_error *err);
/* On the worker: PL_JOB_KIND_READY and _MEANING. */
PL_NODISCARD pl_status pl_knob_run_idle(pl_screen_job *job, pl_task *task, pl_error *err);

/* Gives a job the worker's knob.  False when memory is out. */
bool pl_knob_lend(pl_screen *screen, pl_screen_job *job);
/* Shows what running live jobs have to show; whether there was anything. */
bool pl_knob_take_frames(pl_screen *screen);

/* What is to be done while nothing else is: PL_JOB_KIND_READY, _MEANING, or _COUNT for nothing. */
pl_job_kind pl_knob_idle_kind(const pl_screen *screen);
void pl_knob_begin_idle(pl_screen *screen, pl_job_kind kind);
void pl_knob_end_idle(pl_screen *screen, const pl_screen_job *job, pl_status status);

/* What the selected layer's strength means, NULL where that is not known or it has none. */
const pl_strength *pl_knob_strength(const pl_screen *screen);

/* A search or sweep has seen the least rounded error of a layer at this strength. */
void pl_knob_note_best(pl_screen *screen, size_t layer, double value);
/* The strength at which a search or sweep of the selected layer, under the methods that are set,
 * has seen the least rounded error; 0 where none has. */
double pl_knob_best(const pl_screen *screen);

/* Another model is open; the screen is left. */
void pl_knob_reset(pl_screen *screen);
void pl_knob_free(pl_screen *screen);

#endif
