/* app/workbench/imaging.h -- the worker's half of pixels.h: a job's figure as an image's bytes. */
#ifndef PL_APP_WORKBENCH_IMAGING_H
#define PL_APP_WORKBENCH_IMAGING_H

#include "app/workbench/jobs.h"

/* Appends a pane's zoom (pl_pane_memo) along an axis as "LO:HI", for `plot`. */
void pl_imaging_put_zoom(const pl_axis *axis, double first, double shown, pl_buf *out);

/* Runs a pl_screen_job; its image stays empty if the figure is a table. */
PL_NODISCARD pl_status pl_imaging_run(void *job, pl_task *task, pl_error *err);

/* Whether this build can make images of a protocol. */
bool pl_imaging_makes(pl_graphics protocol);

#endif
