/* views/rescue.h -- the terminal given back on every exit, fatal signals too.
 *
 * Handlers of fatal signals run on their own stack.  They write the terminal's restoring strings,
 * saved at start, with write(2), set the saved modes, and let the previous action follow; they
 * never call ncurses.  SIGTERM, SIGHUP, SIGINT, SIGWINCH, SIGCONT and SIGTSTP become bytes in a
 * pipe that the event loop polls. */
#ifndef PL_VIEWS_RESCUE_H
#define PL_VIEWS_RESCUE_H

#include "core/base/error.h"

/* Before ncurses: remembers the modes of descriptor 0 and makes the pipe. */
PL_NODISCARD pl_status pl_rescue_prepare(pl_error *err);

/* After ncurses has read the terminal's description: installs the handlers, which write
 * `strings`. */
PL_NODISCARD pl_status pl_rescue_install(const char *strings, pl_error *err);

/* Restores the former handlers. */
void pl_rescue_remove(void);

int pl_rescue_fd(void);

/* The oldest signal not taken yet; 0 if none. */
int pl_rescue_next(void);

#endif
