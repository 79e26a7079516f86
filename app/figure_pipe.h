/* app/figure_pipe.h -- file=-: a figure on standard output, and nothing else on it. */
#ifndef PL_APP_FIGURE_PIPE_H
#define PL_APP_FIGURE_PIPE_H

#include "app/command.h"

/* Whether a script's commands write a figure to standard output; NULL: no. */
bool pl_figure_pipe_wanted(const char *script);

/* From now on standard output is the figures' alone: what else goes there, goes to standard error.
 * PL_ERR_IO where the process has none. */
PL_NODISCARD pl_status pl_figure_pipe_open(pl_error *err);

/* Copies a written file to it.  PL_ERR_STATE where it has not been opened, as on the screen. */
PL_NODISCARD pl_status pl_figure_pipe_copy(const char *command, const char *path, pl_error *err);

#endif
