/* tests/unit/sessions/session_files.h -- sessions in a folder of its own, and SQL on them. */
#ifndef PL_TESTS_SESSION_FILES_H
#define PL_TESTS_SESSION_FILES_H

#include "tests/support/check.h"

#include "core/base/file.h"
#include "sessions/database.h"
#include "sessions/session.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { PATH_SIZE = 512 };

static char folder[PATH_SIZE];

static inline int make_folder(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/planish-session-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[PATH_SIZE + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* One at a time: the next call overwrites it. */
static inline const char *in_folder(const char *name)
{
    static char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline pl_session *opened(const char *path)
{
    pl_error err = {0};
    pl_session *session = NULL;
    pl_check_ok(pl_session_open(path, &session, &err), err);
    assert_non_null(session);
    return session;
}

/* Records a command whose state is {"n": n}; n < 0: no state. */
static inline void record(pl_session *session, const char *text, int n)
{
    pl_error err = {0};
    json_t *state = n >= 0 ? json_pack("{s:i}", "n", n) : NULL;
    json_t *result = json_pack("{s:s}", "said", text);
    pl_check_ok(pl_session_record(session, text, true, result, NULL, state, &err), err);
    json_decref(result);
    json_decref(state);
}

/* n of a state, -1 for none; takes the reference. */
static inline int number_of(json_t *state)
{
    int n = state != NULL ? (int)json_integer_value(json_object_get(state, "n")) : -1;
    json_decref(state);
    return n;
}

static inline int present(pl_session *session)
{
    pl_error err = {0};
    json_t *state = NULL;
    pl_check_ok(pl_session_state(session, &state, &err), err);
    return number_of(state);
}

static inline int state_numbered(pl_session *session, int64_t id)
{
    pl_error err = {0};
    json_t *state = NULL;
    pl_check_ok(pl_session_state_of_id(session, id, &state, &err), err);
    return number_of(state);
}

static inline void flush(pl_session *session)
{
    pl_error err = {0};
    pl_check_ok(pl_session_flush(session, &err), err);
}

/* Runs SQL on the file of a closed session. */
static inline void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The first column of a query's first row, as text; caller frees. */
static inline char *ask_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    const unsigned char *text = sqlite3_column_text(query, 0);
    char *copy = text != NULL ? strdup((const char *)text) : NULL;
    sqlite3_finalize(query);
    sqlite3_close(db);
    return copy;
}

static inline void check_sql(const char *path, const char *sql, const char *expected)
{
    char *got = ask_sql(path, sql);
    assert_non_null(got);
    assert_string_equal(got, expected);
    free(got);
}

#endif
