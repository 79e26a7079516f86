/* app/figure_pipe.h -- file=-: figures on standard output, and nothing else there. */
#ifndef PL_APP_FIGURE_PIPE_H
#define PL_APP_FIGURE_PIPE_H

#include "app/command.h"

/* Whether a script's commands write a figure to standard output; NULL: no. */
bool pl_figure_pipe_wanted(const char *script);

/* From now on only figures go to standard output; all other output goes to standard error.
 * PL_ERR_IO where the process has no standard output. */
PL_NODISCARD pl_status pl_figure_pipe_open(pl_error *err);

/* Copies a written file to standard output.  PL_ERR_STATE where the pipe is not open, as on the
 * screen. */
PL_NODISCARD pl_status pl_figure_pipe_copy(const char *command, const char *path, pl_error *err);

#endif
