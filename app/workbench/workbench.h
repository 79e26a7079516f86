/* app/workbench/workbench.h -- the screen, with its session. */
#ifndef PL_APP_WORKBENCH_WORKBENCH_H
#define PL_APP_WORKBENCH_WORKBENCH_H

#include "app/options.h"

/* Runs until the user leaves; returns the process's exit status. */
int pl_workbench_run(const pl_options *options);

/* The library that edits the `:` line, with its version; the licence that it gives the program as a
 * whole. */
const char *pl_workbench_line_library(void);
const char *pl_workbench_line_licence(void);

#endif
