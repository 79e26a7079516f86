/* app/workbench/results.h -- takes the results of the worker's jobs. */
#ifndef PL_APP_WORKBENCH_RESULTS_H
#define PL_APP_WORKBENCH_RESULTS_H

#include "app/command.h"

/* Takes the worker's events; whether there were any. */
bool pl_screen_take_events(pl_screen *screen);

#endif
