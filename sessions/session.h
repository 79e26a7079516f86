/* sessions/session.h -- a session on disk (SQLite): every command, its result, and the states.
 *
 * A session is a replayable list of commands, with the state after each that changed it; the last
 * is the present one.  Opening a session computes nothing.  A writer thread owns SQLite, so that a
 * commit's fsync never stalls a frame; on network file systems journal_mode=TRUNCATE is used. */
#ifndef PL_SESSIONS_SESSION_H
#define PL_SESSIONS_SESSION_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_session pl_session;

/* Creates the file (mode 0600) and its folder (0700) if missing, migrates an older schema (the old
 * file is kept whole until the migration commits), refuses a newer one, one with anything in it
 * that Planish has not put there, another application's database or a damaged file with a sentence
 * that names it.  A file whose making was cut off is made again.  One that another session writes
 * is only read: what is recorded from then on is kept in memory alone (pl_session_is_kept; where it
 * lies on a network file system it is refused instead).  A session is used by one thread, which
 * does not wait for the disk except where a function says so. */
PL_NODISCARD pl_status pl_session_open(const char *path, pl_session **out, pl_error *err);

/* The same of an existing file that is only read, whoever writes it, and stays as it is. */
PL_NODISCARD pl_status pl_session_read(const char *path, pl_session **out, pl_error *err);
/* Whether what is recorded goes to the file. */
bool pl_session_is_kept(const pl_session *session);

/* Says what computes what is recorded from now on: Planish's version, OpenBLAS's kernels, threads.
 * Copied; written with the next command. */
PL_NODISCARD pl_status pl_session_set_maker(pl_session *session, const char *version,
                                            const char *kernel, int threads, pl_error *err);

/* Waits until everything recorded is on disk, or returns what keeps the writer from it. */
PL_NODISCARD pl_status pl_session_flush(pl_session *session, pl_error *err);
void pl_session_close(pl_session *session); /* waits for one attempt to flush; NULL is fine */
const char *pl_session_path(const pl_session *session);

/* A sentence to tell the user once (the session lies on a network file system, another program has
 * it open), or NULL. */
const char *pl_session_notice(const pl_session *session);

/* Records a command that ended: its text as typed, ok, the result object or the error sentence
 * (either may be NULL), and the state after it (NULL, or equal to the present one: unchanged).
 * Returns at once; the texts are copied.  Where the writer's last attempt failed (the disk is
 * full), the record is kept all the same, everything is tried again, and that failure is returned.
 */
PL_NODISCARD pl_status pl_session_record(pl_session *session, const char *command, bool ok,
                                         const json_t *result, const char *error,
                                         const json_t *state, pl_error *err);

/* A long command begins: where nothing is recorded as its end, by a kill or a power cut, the next
 * to open the session is told.  Ended by the record of the same text.  What an earlier run had
 * begun is forgotten. */
PL_NODISCARD pl_status pl_session_begin(pl_session *session, const char *command, pl_error *err);
/* The newest command that a run before this one had begun and not ended, or NULL.  Good until the
 * next pl_session_begin. */
const char *pl_session_cut_off(const pl_session *session);

/* A recorded command as pl_session_record was given it, and when. */
typedef struct pl_session_command {
    int64_t number; /* from 1, without holes */
    int64_t began; /* the state that it began in, where others ended before it; 0: the one before */
    const char *text;
    bool ok;
    const char *result, *error; /* JSON; the sentence; or NULL */
    int64_t time_ms;            /* since 1970 */
} pl_session_command;

/* Flushes, and hands on the newest `most` commands, oldest first. */
PL_NODISCARD pl_status pl_session_commands(pl_session *session, size_t most,
                                           void (*each)(void *ctx, const pl_session_command *one),
                                           void *ctx, pl_error *err);

/* The state after a command, as its number is: *id (0 and *out NULL where none was recorded yet).
 * Caller decrefs; out NULL: only its id.  Then one by its id. */
PL_NODISCARD pl_status pl_session_state_after(const pl_session *session, int64_t command,
                                              int64_t *id, json_t **out, pl_error *err);
PL_NODISCARD pl_status pl_session_state_of_id(const pl_session *session, int64_t id, json_t **out,
                                              pl_error *err);
/* How many commands are recorded. */
int64_t pl_session_count(const pl_session *session);

/* What computed a command, as pl_session_set_maker was told: false where nobody did.  version and
 * kernel are the caller's to free. */
PL_NODISCARD bool pl_session_maker(pl_session *session, int64_t command, char **version,
                                   char **kernel, int *threads);

/* What a session says of itself under a name ("branch_of", "file:wiki.txt"); the caller's, NULL
 * where it says nothing. */
char *pl_session_about(pl_session *session, const char *name);

/* How a session is written as another file. */
typedef enum pl_session_text {
    PL_TEXT_COMMAND,
    PL_TEXT_RESULT, /* JSON, as the next */
    PL_TEXT_STATE,
    PL_TEXT_SENTENCE,
} pl_session_text;
typedef struct pl_session_as {
    int64_t through; /* up to this command; 0: all */
    /* What stands for a text, malloc'd; NULL where memory is out.  NULL: everything stays. */
    char *(*rewrite)(void *ctx, pl_session_text kind, const char *text);
    void *ctx;
    const char *const (*about)[2]; /* [n_about] names and values, beside those it has */
    size_t n_about;
} pl_session_as;

/* Flushes, and writes a session of its own with the same commands, results and states: one file,
 * whole or not at all (mode 0600), that replaces none.  The present state is that after the last
 * command; what had begun and not ended is not in it. */
PL_NODISCARD pl_status pl_session_write_as(pl_session *session, const char *path,
                                           const pl_session_as *as, pl_error *err);

/* The present state (*out NULL if none was recorded yet), read when the session was opened or
 * recorded since.  Caller decrefs. */
PL_NODISCARD pl_status pl_session_state(pl_session *session, json_t **out, pl_error *err);

/* The state to go on from: where a command was cut off, the one that it had begun in; else the
 * newest in which layers are solved, on whatever branch; where there is none, the present one.  A
 * run that looked at the model and left does not hide what was solved before it. */
PL_NODISCARD pl_status pl_session_solved_state(pl_session *session, json_t **out, pl_error *err);

/* Flushes, and writes the commands recorded as ok, in order, as a batch script (atomically); those
 * for which leaves_out is true are not in it. */
PL_NODISCARD pl_status pl_session_export(pl_session *session, const char *path,
                                         bool (*leaves_out)(const char *command), pl_error *err);

/* $XDG_STATE_HOME/planish/last.planish, else ~/.local/state/planish/last.planish; appended. */
void pl_session_default_path(pl_buf *out);
/* The folder that it is in. */
void pl_session_put_folder(pl_buf *out);

/* The version of SQLite that is loaded. */
const char *pl_session_library(void);

#endif
