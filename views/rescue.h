/* views/rescue.h -- the terminal given back on every exit, fatal signals too.
 *
 * Fatal signals run on their own stack, write the terminal's own strings, saved at start, with
 * write(2), set the saved modes and let the previous action follow: no ncurses in a handler.
 * SIGTERM, SIGHUP, SIGINT, SIGWINCH, SIGCONT and SIGTSTP become bytes in a pipe that the event loop
 * polls. */
#ifndef PL_VIEWS_RESCUE_H
#define PL_VIEWS_RESCUE_H

#include "core/base/error.h"

/* Before ncurses: remembers the modes of descriptor 0 and makes the pipe. */
PL_NODISCARD pl_status pl_rescue_prepare(pl_error *err);

/* After ncurses has read the terminal's description: what a handler must write, and the handlers.
 */
PL_NODISCARD pl_status pl_rescue_install(const char *strings, pl_error *err);

/* The handlers that were there before. */
void pl_rescue_remove(void);

int pl_rescue_fd(void);

/* The oldest signal that has come in, 0 if none. */
int pl_rescue_next(void);

#endif
