/* app/workbench/learning.h -- follows and pauses the learning of a transform. */
#ifndef PL_APP_WORKBENCH_LEARNING_H
#define PL_APP_WORKBENCH_LEARNING_H

#include "app/command.h"

/* Pauses learning; false if nothing is being learned. */
bool pl_screen_pause(pl_screen *screen);
/* A running job learns: its figures are made again now and then. */
void pl_screen_note_learning(pl_screen *screen);
/* Learning has ended with status `how`: starts what waits for it. */
void pl_screen_follow_learning(pl_screen *screen, pl_status how);

#endif
