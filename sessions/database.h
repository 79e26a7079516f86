/* sessions/database.h -- a session's SQLite file: its checks, its schema, and what is written.
 *
 * Internal to sessions.  One program writes a file (lock.h); any other that opens it works on a
 * copy in memory. */
#ifndef PL_SESSIONS_DATABASE_H
#define PL_SESSIONS_DATABASE_H

#include "core/base/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Step i of the schema's history brings user_version i to i + 1. */
typedef struct pl_migration {
    const char *sql;
} pl_migration;

enum { PL_SESSION_APPLICATION = 0x506c6e73 }; /* "Plns", the file's application_id */

/* In the compact JSON of a state in which layers are solved. */
#define PL_SOLVED_STATE "\"solved\":[["

/* Opens or creates the file, takes the lock, checks the content, migrates.  *lock is for
 * pl_lock_release, after the connection is closed; -1: another program writes the file, and *out is
 * a copy in memory.  *notice is a sentence to tell the user once, or NULL.  A refused file is not
 * changed. */
PL_NODISCARD pl_status pl_database_open(const char *path, sqlite3 **out, int *lock,
                                        const char **notice, pl_error *err);

/* A copy in memory of a session's file, checked and migrated, even if another program writes it;
 * the file is not changed. */
PL_NODISCARD pl_status pl_database_copy(const char *path, sqlite3 **out, pl_error *err);
/* The same of an open database; path: for errors, here and below. */
PL_NODISCARD pl_status pl_database_duplicate(sqlite3 *from, const char *path, sqlite3 **out,
                                             pl_error *err);
PL_NODISCARD pl_status pl_database_execute(sqlite3 *db, const char *path, const char *sql,
                                           pl_error *err);
/* Writes a copy in memory to a new file, whole or not at all, readable by the user alone; deleted
 * rows leave no trace. */
PL_NODISCARD pl_status pl_database_save(sqlite3 *db, const char *path, pl_error *err);

/* Migrates user_version up to count, within the caller's transaction.  PL_ERR_UNSUPPORTED if it is
 * above count. */
PL_NODISCARD pl_status pl_database_migrate(sqlite3 *db, const char *path, const pl_migration *steps,
                                           int count, pl_error *err);

/* "wal"; "truncate" on a network file system (by statfs's f_type). */
const char *pl_database_journal(uint64_t file_system);

/* What computed results: Planish's version, OpenBLAS's kernels, the threads. */
typedef struct pl_made_by {
    char *version, *kernel; /* owned; NULL: not said */
    int threads;
} pl_made_by;

/* One thing to write.  The session gives identifiers, from 1 without holes. */
typedef struct pl_record {
    struct pl_record *next;
    int64_t command; /* > 0: insert this command */
    int64_t time_ms; /* since 1970 */
    char *text;      /* the command's */
    bool ok;
    char *result, *error; /* or NULL */
    int64_t state;        /* > 0: insert this state, with `json` */
    int64_t parent;       /* of the state; 0: it has none */
    char *json;
    int64_t began_in;     /* the state that the command began in, if another followed; else 0 */
    pl_made_by run;       /* with a run's first command: what computes from then on */
    int64_t head;         /* > 0: the state pointed to from now on */
    int64_t begun_in;     /* the state in which `begun` began; 0: none */
    int64_t begun, ended; /* > 0: a long command, `text`, has begun; > 0: that one has ended */
} pl_record;

void pl_record_free(pl_record *entry); /* NULL is fine; `next` is left alone */

/* Writes a list in one transaction: all of it is on disk, or nothing is. */
PL_NODISCARD pl_status pl_database_write(sqlite3 *db, const char *path, const pl_record *first,
                                         pl_error *err);

/* A query for one integer; *out stays as it is if there is no row. */
PL_NODISCARD pl_status pl_database_number(sqlite3 *db, const char *path, const char *sql,
                                          int64_t *out, pl_error *err);

/* Calls `row` for every row of a query without parameters. */
PL_NODISCARD pl_status pl_database_query(sqlite3 *db, const char *path, const char *sql,
                                         pl_status (*row)(void *ctx, sqlite3_stmt *row,
                                                          pl_error *err),
                                         void *ctx, pl_error *err);

#endif
