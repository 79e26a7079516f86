/* app/portable.h -- a session as one file that another machine opens: its commands, results and
 * states, the identities of its model and texts, neither of them, and no path of this machine. */
#ifndef PL_APP_PORTABLE_H
#define PL_APP_PORTABLE_H

#include "app/front.h"

/* pl_session_acts.  The present session to the file that is the call's second word; paths become
 * the ends of them that tell them apart. */
PL_NODISCARD pl_status pl_front_export_session(pl_front *front, pl_call *call, pl_state *state,
                                               bool *moved, pl_error *err);
/* Such a file, or any session's, as a session of its own (name=): with the model where it is here
 * (model=, where the session has it, beside the file, the one that is open), which must be the same
 * one, and the texts that are found and the same (files=, else likewise). */
PL_NODISCARD pl_status pl_front_import_session(pl_front *front, pl_call *call, pl_state *state,
                                               bool *moved, pl_error *err);

#endif
