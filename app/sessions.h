/* app/sessions.h -- the session that a run keeps: the open model's, or the file that --session
 * names. */
#ifndef PL_APP_SESSIONS_H
#define PL_APP_SESSIONS_H

#include "app/front.h"

/* Lists the sessions, as the result of `sessions`. */
PL_NODISCARD pl_status pl_front_list_sessions(pl_front *front, json_t *result, pl_error *err);

/* Opens a session by its number or name in that list, in place of the present one.  *state: its
 * last state, initialised on success only.  On failure nothing has changed. */
PL_NODISCARD pl_status pl_front_take_session(pl_front *front, const char *which, pl_state *state,
                                             pl_error *err);
/* The same of a file. */
PL_NODISCARD pl_status pl_front_take_session_file(pl_front *front, const char *path,
                                                  pl_state *state, pl_error *err);

/* Changes to the session of the source's model, unless that is open already or front->named.  If it
 * cannot be opened, *notice says why, and no session is kept. */
void pl_front_follow_model(pl_front *front, const pl_source *source, pl_error *notice);

/* The path of the newest session with a state: of any model (model NULL), or the one that older
 * versions kept for all models, if its last model has that path.  NULL: there is none.  Caller
 * frees, and decrefs *state. */
char *pl_front_newest_session(pl_front *front, const char *model, json_t **state);

/* Carries out a pl_session_act in a batch. */
PL_NODISCARD pl_status pl_front_act(pl_front *front, pl_call *call, pl_session_act act,
                                    pl_error *err);

/* A pl_session_act: the session (up to command step=, if given) goes on under the name in the
 * call's word; the original stays unchanged. */
PL_NODISCARD pl_status pl_front_branch(pl_front *front, pl_call *call, pl_state *state, bool *moved,
                                       pl_error *err);

/* The path of a new session in the folder of sessions, appended; what: the command, for errors.
 * PL_ERR_USAGE for a name that is not valid, or taken. */
PL_NODISCARD pl_status pl_front_new_session_path(const char *what, const char *name, pl_buf *out,
                                                 pl_error *err);

/* "SmolLM2-135M, 12 layers solved" of a session's state; appended. */
void pl_put_session_state(const json_t *state, pl_buf *out);

/* A session's text, escaped for a result; null for NULL. */
json_t *pl_session_safe_json(const char *text);

#endif
