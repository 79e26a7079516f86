/* app/workbench/steps.h -- undo and redo, and sessions, whose states undo takes back. */
#ifndef PL_APP_WORKBENCH_STEPS_H
#define PL_APP_WORKBENCH_STEPS_H

#include "app/command.h"

/* One step of undo, or of redo. */
void pl_screen_step_history(pl_screen *screen, bool back);
/* Restores the last session's state, as a step for undo; false where there is none. */
bool pl_screen_restore(pl_screen *screen);
/* The same for the session with that number or name. */
PL_NODISCARD pl_status pl_screen_take_session(pl_screen *screen, const char *which, pl_error *err);
/* Carries out a pl_session_act.  If that gives another state (`what`, for the message), it is a
 * step for undo. */
PL_NODISCARD pl_status pl_screen_act(pl_screen *screen, pl_call *call, pl_session_act act,
                                     const char *what, pl_error *err);
/* Lists the sessions, newest first; Enter opens one. */
PL_NODISCARD pl_status pl_screen_offer_sessions(pl_screen *screen, pl_error *err);

#endif
