/* app/sessions.h -- which session a run keeps: that of the model that is open, or the file that
 * --session names. */
#ifndef PL_APP_SESSIONS_H
#define PL_APP_SESSIONS_H

#include "app/front.h"

/* The sessions there are, as the result of `sessions`. */
PL_NODISCARD pl_status pl_front_list_sessions(pl_front *front, json_t *result, pl_error *err);

/* Opens a session by its number or name in that list, and keeps it in place of the present one.
 * *state: what it ended with, initialised on success only.  On failure nothing has changed. */
PL_NODISCARD pl_status pl_front_take_session(pl_front *front, const char *which, pl_state *state,
                                             pl_error *err);
/* The same of a file. */
PL_NODISCARD pl_status pl_front_take_session_file(pl_front *front, const char *path,
                                                  pl_state *state, pl_error *err);

/* Goes over to the session of the source's model, unless it is kept already or front->named.  One
 * that cannot be had is a *notice, and nothing is kept then. */
void pl_front_follow_model(pl_front *front, const pl_source *source, pl_error *notice);

/* The path of the newest session with a state: any (model NULL), or the one that older versions
 * kept of all models, if it was left with the model of that path.  NULL: there is none.  Caller
 * frees, and decrefs *state. */
char *pl_front_newest_session(pl_front *front, const char *model, json_t **state);

/* A batch's way to do what a command does with the session. */
PL_NODISCARD pl_status pl_front_act(pl_front *front, pl_call *call, pl_session_act act,
                                    pl_error *err);

/* A pl_session_act: the session, up to the command step= where that is given, goes on under the
 * name that is the call's word; the one it was stays as it is. */
PL_NODISCARD pl_status pl_front_branch(pl_front *front, pl_call *call, pl_state *state, bool *moved,
                                       pl_error *err);

/* The path of a new session in the folder of sessions, appended; what: the command that asks.
 * PL_ERR_USAGE for a name that is none or taken. */
PL_NODISCARD pl_status pl_front_new_session_path(const char *what, const char *name, pl_buf *out,
                                                 pl_error *err);

/* "SmolLM2-135M, 12 layers solved" of a session's state; appended. */
void pl_put_session_state(const json_t *state, pl_buf *out);

/* A text of a session as a result shows it, escaped; null for NULL. */
json_t *pl_session_safe_json(const char *text);

#endif
