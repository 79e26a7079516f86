/* app/workbench/tour.h -- the first-run tour: its steps are done by doing them. */
#ifndef PL_APP_WORKBENCH_TOUR_H
#define PL_APP_WORKBENCH_TOUR_H

#include "app/command.h"

/* Starts at that step, or ends it (PL_TOUR_OFF); what is done is remembered. */
void pl_screen_set_tour(pl_screen *screen, pl_tour_step step);
/* Goes on if the present step has been done.  call: what has just ended. */
void pl_screen_follow_tour(pl_screen *screen, const pl_call *call);
/* Draws the screen with the tour's line, if there is one. */
void pl_screen_draw_with_tour(pl_screen *screen, bool prompt_open);

#endif
