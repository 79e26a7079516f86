/* app/workbench/best.h -- where the least rounded error of a layer was seen: noted for the tuner.
 */
#ifndef PL_APP_WORKBENCH_BEST_H
#define PL_APP_WORKBENCH_BEST_H

#include "app/command.h"

/* A search over `param` ("": the strength) has ended at this spec; noted where that is the
 * preconditioner's strength. */
void pl_screen_note_best(pl_screen *screen, size_t layer, const pl_spec *spec, const char *param);
/* Draws the sweep that has just ended, and notes the same of it where it is one of a strength. */
void pl_screen_follow_sweep(pl_screen *screen, const pl_call *call);

#endif
