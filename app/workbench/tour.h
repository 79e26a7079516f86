/* app/workbench/tour.h -- the first-run tour: the user completes a step by doing it. */
#ifndef PL_APP_WORKBENCH_TOUR_H
#define PL_APP_WORKBENCH_TOUR_H

#include "app/command.h"

/* Starts the tour at a step, or ends it (PL_TOUR_OFF) and remembers that. */
void pl_screen_set_tour(pl_screen *screen, pl_tour_step step);
/* Goes on if `call`, which has just ended, or the state completes the present step. */
void pl_screen_follow_tour(pl_screen *screen, const pl_call *call);
/* Draws the screen with the tour's line, if there is one. */
void pl_screen_draw_with_tour(pl_screen *screen, bool prompt_open);

#endif
