/* app/workbench/pixels.h -- the main pane's figure as an image, where the user wants it and the
 * terminal has said that it shows images: the figure that `plot` writes, at the place's pixels,
 * made on the worker. */
#ifndef PL_APP_WORKBENCH_PIXELS_H
#define PL_APP_WORKBENCH_PIXELS_H

#include "app/workbench/jobs.h"

/* Behind a frame: says whether the terminal has answered, and asks for the image that it lacks. */
void pl_pixels_pump(pl_screen *screen);
/* Whether an answer is waited for: the loop must look again soon. */
bool pl_pixels_rest(const pl_screen *screen);
/* Takes a job's image. */
void pl_pixels_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event);
/* Another model is open, or the screen is left. */
void pl_pixels_drop(pl_screen *screen);

/* Before a frame: fills model.image; behind it: gives the terminal what is to stand there. */
void pl_pixels_fill(pl_screen *screen);
void pl_pixels_place(pl_screen *screen);

#endif
