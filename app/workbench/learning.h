/* app/workbench/learning.h -- a transform that is being learned: noted, paused. */
#ifndef PL_APP_WORKBENCH_LEARNING_H
#define PL_APP_WORKBENCH_LEARNING_H

#include "app/command.h"

/* Pauses what is being learned; false if nothing is. */
bool pl_screen_pause(pl_screen *screen);
/* A running job learns: figures of what it learns are made anew, now and then. */
void pl_screen_note_learning(pl_screen *screen);
/* Learning has ended, `how`: what waits for it goes on. */
void pl_screen_follow_learning(pl_screen *screen, pl_status how);

#endif
