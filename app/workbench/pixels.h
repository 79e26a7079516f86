/* app/workbench/pixels.h -- the main pane's figure as an image, if the user wants it and the
 * terminal shows images: the figure that `plot` writes, in the size of its place, made on the
 * worker. */
#ifndef PL_APP_WORKBENCH_PIXELS_H
#define PL_APP_WORKBENCH_PIXELS_H

#include "app/workbench/jobs.h"

/* After a frame: reports the terminal's answer, and asks the worker for a missing image. */
void pl_pixels_pump(pl_screen *screen);
/* Whether it waits for an answer: the loop must call pump again soon. */
bool pl_pixels_rest(const pl_screen *screen);
/* Takes a job's image. */
void pl_pixels_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event);
/* Another model is open, or the screen is left. */
void pl_pixels_drop(pl_screen *screen);

/* fill: before a frame, fills model.image.  place: after it, gives the terminal the image. */
void pl_pixels_fill(pl_screen *screen);
void pl_pixels_place(pl_screen *screen);

#endif
