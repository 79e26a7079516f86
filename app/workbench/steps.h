/* app/workbench/steps.h -- undo, redo, and the last session as a step. */
#ifndef PL_APP_WORKBENCH_STEPS_H
#define PL_APP_WORKBENCH_STEPS_H

#include "app/command.h"

/* One step of undo, or of redo. */
void pl_screen_step_history(pl_screen *screen, bool back);
/* The last session's state, as a step that undo takes back. */
void pl_screen_restore(pl_screen *screen);

#endif
