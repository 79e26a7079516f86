/* app/workbench/workbench.h -- the screen, with its session. */
#ifndef PL_APP_WORKBENCH_WORKBENCH_H
#define PL_APP_WORKBENCH_WORKBENCH_H

#include "app/options.h"

/* Runs until the user leaves; the process's exit status. */
int pl_workbench_run(const pl_options *options);

#endif
