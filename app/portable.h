/* app/portable.h -- a session as one file for another machine: its commands, results and states,
 * and the identities of its model and texts, but not these themselves, and no path of this
 * machine. */
#ifndef PL_APP_PORTABLE_H
#define PL_APP_PORTABLE_H

#include "app/front.h"

/* pl_session_acts.  Writes the present session to the file named by the call's second word; paths
 * are cut to the ends that tell them apart. */
PL_NODISCARD pl_status pl_front_export_session(pl_front *front, pl_call *call, pl_state *state,
                                               bool *moved, pl_error *err);
/* Makes a new session (name=) of such a file, or of any session's.  Its model must be found here
 * (at model=, at the session's path, beside the file, or the open one) and be the same; its texts
 * are looked for in files=, else likewise. */
PL_NODISCARD pl_status pl_front_import_session(pl_front *front, pl_call *call, pl_state *state,
                                               bool *moved, pl_error *err);

#endif
