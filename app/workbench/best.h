/* app/workbench/best.h -- notes for the tuner where a layer's rounded error was least. */
#ifndef PL_APP_WORKBENCH_BEST_H
#define PL_APP_WORKBENCH_BEST_H

#include "app/command.h"

/* A search over `param` ("": the strength) has ended at this spec; notes it if that is the
 * preconditioner's strength. */
void pl_screen_note_best(pl_screen *screen, size_t layer, const pl_spec *spec, const char *param);
/* Draws the sweep that has just ended, and notes its best value if it is of that strength. */
void pl_screen_follow_sweep(pl_screen *screen, const pl_call *call);

#endif
