/* sessions/catalog.h -- the sessions that Planish keeps by itself: one a model, in one folder.
 *
 * A model's file is found by the end of its name, which says what the model is (eight digits of
 * pl_source.print), whatever path the model is at; the name before that is for people. */
#ifndef PL_SESSIONS_CATALOG_H
#define PL_SESSIONS_CATALOG_H

#include "core/io/identity.h"
#include "sessions/session.h"

/* Removes from the folder of sessions what a branch that was cut off has left there. */
void pl_session_sweep(void);

/* The file of a model's session in $XDG_STATE_HOME/planish, else ~/.local/state/planish, whether it
 * is there or not; appended.  name: the model's, used where there is none yet. */
PL_NODISCARD pl_status pl_session_model_path(const char *name, pl_id print, pl_buf *out,
                                             pl_error *err);

/* Whether the file is the session of a model, and of another one than this. */
bool pl_session_is_of_another(const char *path, pl_id print);

/* The file of a session that has a name of its own, as `branch` makes it, in the same folder;
 * appended.  A name is of letters, digits, . _ + -, no number, and not as a model's own ends. */
enum { PL_SESSION_NAME = 48 };
bool pl_session_name_is_valid(const char *name);
PL_NODISCARD pl_status pl_session_named_path(const char *name, pl_buf *out, pl_error *err);

/* A session as a list shows it. */
typedef struct pl_session_entry {
    char *path, *name; /* name: the file's, without ".planish" */
    bool busy;         /* another program has it open; an older Planish, or over a network: of the
                          rest only time_ms is known */
    int64_t time_ms;   /* of the last command, since 1970; else of the file's change */
    char *branch_of;   /* the name of the session that it began as, or NULL */
    char *last;        /* the last command, or NULL */
    json_t *state;     /* as of pl_session_solved_state, or NULL */
} pl_session_entry;

/* The folder's sessions with anything in them, newest first, *count of them; files that are no
 * sessions are passed over.  open (or NULL) is asked itself for what its file holds, and is listed
 * in any case, also from another folder.  Caller frees by pl_session_list_free. */
PL_NODISCARD pl_status pl_session_list(pl_session *open, pl_session_entry **out, size_t *count,
                                       pl_error *err);
void pl_session_list_free(pl_session_entry *list, size_t count);

/* "N" or a name to its index.  PL_ERR_NOT_FOUND names those there are. */
PL_NODISCARD pl_status pl_session_list_find(const pl_session_entry *list, size_t count,
                                            const char *which, size_t *index, pl_error *err);

#endif
