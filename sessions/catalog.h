/* sessions/catalog.h -- the sessions that Planish keeps by itself: one a model, in one folder.
 *
 * A model's file is found by the end of its name, eight digits of pl_source.print, whatever path
 * the model has; the rest of the name is for people. */
#ifndef PL_SESSIONS_CATALOG_H
#define PL_SESSIONS_CATALOG_H

#include "core/io/identity.h"
#include "sessions/session.h"

/* Removes files that an interrupted `branch` has left in the folder of sessions. */
void pl_session_sweep(void);

/* The file of a model's session in $XDG_STATE_HOME/planish, else ~/.local/state/planish, existing
 * or not; appended.  name: the model's, used where it has no file yet. */
PL_NODISCARD pl_status pl_session_model_path(const char *name, pl_id print, pl_buf *out,
                                             pl_error *err);

/* Whether the file is the session of another model than this. */
bool pl_session_is_of_another(const char *path, pl_id print);

/* The file of a named session, as `branch` makes it, in the same folder; appended.  A name has
 * letters, digits, .  _ + -; it is no number, and does not end like a model's file. */
enum { PL_SESSION_NAME = 48 };
bool pl_session_name_is_valid(const char *name);
PL_NODISCARD pl_status pl_session_named_path(const char *name, pl_buf *out, pl_error *err);

/* A session as a list shows it. */
typedef struct pl_session_entry {
    char *path, *name; /* name: the file's, without ".planish" */
    bool busy; /* another program has it open; if that is an older Planish, or over a network, of
                  the rest only time_ms is known */
    int64_t time_ms; /* when its last command ended, or the file changed; since 1970 */
    char *branch_of; /* name of the session it branched from, or NULL */
    char *last;      /* the last command, or NULL */
    json_t *state;   /* as of pl_session_solved_state, or NULL */
} pl_session_entry;

/* The folder's sessions that are not empty, newest first, *count of them; other files are skipped.
 * open (or NULL): this session answers for its own file, and is always listed, even from another
 * folder.  Caller frees by pl_session_list_free. */
PL_NODISCARD pl_status pl_session_list(pl_session *open, pl_session_entry **out, size_t *count,
                                       pl_error *err);
void pl_session_list_free(pl_session_entry *list, size_t count);

/* Index of a session by its number or name.  PL_ERR_NOT_FOUND lists the sessions. */
PL_NODISCARD pl_status pl_session_list_find(const pl_session_entry *list, size_t count,
                                            const char *which, size_t *index, pl_error *err);

#endif
