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

/* Creates the file (mode 0600) and its folder (0700) if missing, or makes a half-made file again;
 * migrates an older schema (in one transaction).  Refuses, with a sentence that names it, a newer
 * schema, a damaged file, another application's database, and a schema with anything that Planish
 * has not put there.  If another session writes the file, it is only read, and what is recorded
 * stays in memory (pl_session_is_kept); on a network file system it is refused instead.  One thread
 * uses a session; it waits for the disk only where a function says so. */
PL_NODISCARD pl_status pl_session_open(const char *path, pl_session **out, pl_error *err);

/* The same for an existing file, only to read, even if another program writes it. */
PL_NODISCARD pl_status pl_session_read(const char *path, pl_session **out, pl_error *err);
/* Whether what is recorded goes to the file. */
bool pl_session_is_kept(const pl_session *session);

/* Sets what computes from now on: Planish's version, OpenBLAS's kernels, threads.  Copied; written
 * with the next command. */
PL_NODISCARD pl_status pl_session_set_maker(pl_session *session, const char *version,
                                            const char *kernel, int threads, pl_error *err);

/* Waits until everything recorded is on disk, or returns the writer's failure. */
PL_NODISCARD pl_status pl_session_flush(pl_session *session, pl_error *err);
void pl_session_close(pl_session *session); /* waits for one attempt to flush; NULL is fine */
const char *pl_session_path(const pl_session *session);

/* A sentence to tell the user once (the session lies on a network file system, another program has
 * it open), or NULL. */
const char *pl_session_notice(const pl_session *session);

/* Records a command that ended: its text as typed, ok, the result object or the error sentence
 * (either may be NULL), and the state after it (NULL, or equal to the present one: unchanged).
 * Returns at once; the texts are copied.  If the writer's last attempt failed (the disk is full),
 * returns that failure; the record is kept all the same, and writing is tried again. */
PL_NODISCARD pl_status pl_session_record(pl_session *session, const char *command, bool ok,
                                         const json_t *result, const char *error,
                                         const json_t *state, pl_error *err);

/* A long command begins; the record of the same text ends it.  If none comes (a kill, a power cut),
 * pl_session_cut_off tells the next run.  Forgets what an earlier run had begun. */
PL_NODISCARD pl_status pl_session_begin(pl_session *session, const char *command, pl_error *err);
/* The newest command that an earlier run had begun and not ended, or NULL.  Valid until the next
 * pl_session_begin. */
const char *pl_session_cut_off(const pl_session *session);

/* A recorded command as pl_session_record was given it, and when. */
typedef struct pl_session_command {
    int64_t number; /* from 1, without holes */
    int64_t began;  /* the state it began in, if other commands ended meanwhile; else 0 */
    const char *text;
    bool ok;
    const char *result, *error; /* JSON; the sentence; or NULL */
    int64_t time_ms;            /* since 1970 */
} pl_session_command;

/* Flushes, and hands on the newest `most` commands, oldest first. */
PL_NODISCARD pl_status pl_session_commands(pl_session *session, size_t most,
                                           void (*each)(void *ctx, const pl_session_command *one),
                                           void *ctx, pl_error *err);

/* The state after command number `command`: *id (0, and *out NULL, where none was recorded yet).
 * Caller decrefs; out may be NULL.  of_id: a state by its id. */
PL_NODISCARD pl_status pl_session_state_after(const pl_session *session, int64_t command,
                                              int64_t *id, json_t **out, pl_error *err);
PL_NODISCARD pl_status pl_session_state_of_id(const pl_session *session, int64_t id, json_t **out,
                                              pl_error *err);
/* How many commands are recorded. */
int64_t pl_session_count(const pl_session *session);

/* What computed a command, as set by pl_session_set_maker; false where it was not set.  version and
 * kernel are the caller's to free. */
PL_NODISCARD bool pl_session_maker(pl_session *session, int64_t command, char **version,
                                   char **kernel, int *threads);

/* A property of the session by name ("branch_of", "file:wiki.txt"); the caller's, or NULL. */
char *pl_session_about(pl_session *session, const char *name);

/* How a session is written as another file. */
typedef enum pl_session_text {
    PL_TEXT_COMMAND,
    PL_TEXT_RESULT, /* JSON, as a state is */
    PL_TEXT_STATE,
    PL_TEXT_SENTENCE,
} pl_session_text;
typedef struct pl_session_as {
    int64_t through; /* up to this command; 0: all */
    /* Returns the replacement of a text, malloc'd, or NULL where memory is out.  NULL:
     * texts stay. */
    char *(*rewrite)(void *ctx, pl_session_text kind, const char *text);
    void *ctx;
    const char *const (*about)[2]; /* [n_about] further properties: names and values */
    size_t n_about;
} pl_session_as;

/* Flushes, and writes a new session with the same commands, results and states: one file (mode
 * 0600), whole or not at all, never over an existing one.  Its present state is that after its last
 * command; commands that have not ended are left out. */
PL_NODISCARD pl_status pl_session_write_as(pl_session *session, const char *path,
                                           const pl_session_as *as, pl_error *err);

/* The present state; *out NULL if none was recorded yet.  Caller decrefs. */
PL_NODISCARD pl_status pl_session_state(pl_session *session, json_t **out, pl_error *err);

/* The state to go on from: if a command was cut off, the one in which it began; else the newest
 * with solved layers, so that a run that only looked at the model hides nothing; else the present
 * one. */
PL_NODISCARD pl_status pl_session_solved_state(pl_session *session, json_t **out, pl_error *err);

/* Flushes, and writes the commands recorded as ok, in order, as a batch script (atomically),
 * without those for which leaves_out is true. */
PL_NODISCARD pl_status pl_session_export(pl_session *session, const char *path,
                                         bool (*leaves_out)(const char *command), pl_error *err);

/* $XDG_STATE_HOME/planish/last.planish, else ~/.local/state/planish/last.planish; appended. */
void pl_session_default_path(pl_buf *out);
/* Appends its folder. */
void pl_session_put_folder(pl_buf *out);

/* The version of SQLite that is loaded. */
const char *pl_session_library(void);

#endif
