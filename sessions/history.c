/* What a session's file holds: its commands in order, its states, who computed, what it is of. */
#include "core/base/file.h"
#include "core/base/json.h"
#include "sessions/session_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is in it ---- */

typedef struct receiver {
    void (*each)(void *ctx, const pl_session_command *one);
    void *ctx;
} receiver;

static pl_status hand_on_command(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    (void)err;
    const receiver *to = ctx;
    const char *text = (const char *)sqlite3_column_text(row, 0);
    const pl_session_command one = {.text = text != NULL ? text : "",
                                    .ok = sqlite3_column_int(row, 1) != 0,
                                    .result = (const char *)sqlite3_column_text(row, 2),
                                    .error = (const char *)sqlite3_column_text(row, 3),
                                    .time_ms = sqlite3_column_int64(row, 4),
                                    .number = sqlite3_column_int64(row, 5),
                                    .began = sqlite3_column_int64(row, 6)};
    to->each(to->ctx, &one);
    return PL_OK;
}

pl_status pl_session_commands(pl_session *session, size_t most,
                              void (*each)(void *ctx, const pl_session_command *one), void *ctx,
                              pl_error *err)
{
    char query[200];
    receiver to = {each, ctx};
    sqlite3_snprintf(sizeof query, query,
                     "SELECT text, ok, result, error, time, id, coalesce(began, 0) FROM commands "
                     "WHERE id > %lld ORDER BY id",
                     (long long)(session->commands - (int64_t)most));
    pl_status status = pl_session_flush(session, err);
    PL_THEN(pl_database_query(session->db, session->path, query, hand_on_command, &to, err));
    return status;
}

/* ---- export ---- */

typedef struct script {
    pl_buf text;
    bool (*leaves_out)(const char *command);
} script;

static pl_status export_command(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    script *to = ctx;
    const char *text = (const char *)sqlite3_column_text(row, 0);
    if (text != NULL && !to->leaves_out(text)) {
        pl_buf_puts(&to->text, text);
        pl_buf_puts(&to->text, "\n");
    }
    return pl_buf_check(&to->text, err);
}

pl_status pl_session_export(pl_session *session, const char *path,
                            bool (*leaves_out)(const char *command), pl_error *err)
{
    script made = {.leaves_out = leaves_out};
    pl_status status = pl_session_flush(session, err);
    /* The queue is empty and its only source is this thread: the writer leaves SQLite alone. */
    PL_THEN(pl_database_query(session->db, session->path,
                              "SELECT text FROM commands WHERE ok ORDER BY id", export_command,
                              &made, err));
    PL_THEN(
        pl_file_write_all(path, made.text.data != NULL ? made.text.data : "", made.text.size, err));
    pl_buf_deinit(&made.text);
    return status;
}

/* ---- states ---- */

int64_t pl_session_count(const pl_session *session)
{
    return session->commands;
}

pl_status pl_session_state_of_id(const pl_session *session, int64_t id, json_t **out, pl_error *err)
{
    *out = NULL;
    return id >= 0 && id <= (int64_t)session->n_nodes
               ? pl_session_read_state(session, id, out, err)
               : pl_session_damaged(session, "a state of a command is missing", err);
}

pl_status pl_session_state_after(const pl_session *session, int64_t command, int64_t *id,
                                 json_t **out, pl_error *err)
{
    size_t i = session->n_nodes;
    while (i > 0 && session->nodes[i - 1].command > command) {
        i--;
    }
    *id = (int64_t)i;
    return out != NULL ? pl_session_read_state(session, *id, out, err) : PL_OK;
}

/* ---- what it says of itself ---- */

typedef struct pair {
    char *first, *second;
    int number;
} pair;

static pl_status take_pair(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    pair *to = ctx;
    const char *first = (const char *)sqlite3_column_text(row, 0);
    const char *second = (const char *)sqlite3_column_text(row, 1);
    to->first = first != NULL ? strdup(first) : NULL;
    to->second = second != NULL ? strdup(second) : NULL;
    to->number = sqlite3_column_int(row, 2);
    return to->first != NULL && to->second != NULL ? PL_OK : pl_error_memory(err, "a session");
}

/* One row of two texts and a number; false, with nothing owned, where there is none. */
static bool find_pair(pl_session *session, char *sql, pair *out)
{
    *out = (pair){0};
    const bool found =
        sql != NULL && pl_session_flush(session, NULL) == PL_OK &&
        pl_database_query(session->db, session->path, sql, take_pair, out, NULL) == PL_OK &&
        out->first != NULL;
    sqlite3_free(sql);
    if (!found) {
        free(out->first);
        free(out->second);
    }
    return found;
}

bool pl_session_maker(pl_session *session, int64_t command, char **version, char **kernel,
                      int *threads)
{
    pair found;
    const bool known = find_pair(session,
                                 sqlite3_mprintf("SELECT version, kernel, threads FROM runs WHERE "
                                                 "first <= %lld ORDER BY first DESC LIMIT 1",
                                                 (long long)command),
                                 &found);
    *version = known ? found.first : NULL;
    *kernel = known ? found.second : NULL;
    *threads = known ? found.number : 0;
    return known;
}

char *pl_session_about(pl_session *session, const char *name)
{
    pair found;
    if (!find_pair(session,
                   sqlite3_mprintf("SELECT value, name, 0 FROM about WHERE name = %Q", name),
                   &found)) {
        return NULL;
    }
    free(found.second);
    return found.first;
}

/* ---- as another file ---- */

/* rewrite(KIND, TEXT) in SQL. */
static void rewrite_text(sqlite3_context *of, int count, sqlite3_value **values)
{
    (void)count;
    const pl_session_as *as = sqlite3_user_data(of);
    const char *text = (const char *)sqlite3_value_text(values[1]);
    char *made = NULL;
    if (text == NULL) {
        sqlite3_result_null(of);
        return;
    }
    made = as->rewrite(as->ctx, (pl_session_text)sqlite3_value_int(values[0]), text);
    if (made != NULL) {
        sqlite3_result_text(of, made, -1, free);
    } else {
        sqlite3_result_error_nomem(of);
    }
}

static pl_status rewrite_texts(sqlite3 *db, const char *path, const pl_session_as *as,
                               pl_error *err)
{
    if (sqlite3_create_function(db, "rewrite", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                (void *)(uintptr_t)as, rewrite_text, NULL, NULL) != SQLITE_OK) {
        return pl_error_memory(err, "%s", path);
    }
    return pl_database_execute(db, path,
                               "UPDATE commands SET text = rewrite(0, text), "
                               "result = rewrite(1, result), error = rewrite(3, error); "
                               "UPDATE states SET json = rewrite(2, json)",
                               err);
}

static pl_status cut_off_behind(sqlite3 *db, const char *path, int64_t last, pl_error *err)
{
    char *sql =
        sqlite3_mprintf("DELETE FROM begun; UPDATE head SET state = NULL; "
                        "DELETE FROM states WHERE command > %lld; "
                        "DELETE FROM commands WHERE id > %lld; DELETE FROM runs WHERE first > %lld;"
                        "UPDATE commands SET began = NULL WHERE began NOT IN (SELECT id FROM "
                        "states); UPDATE head SET state = (SELECT max(id) FROM states)",
                        (long long)last, (long long)last, (long long)last);
    pl_status status =
        sql != NULL ? pl_database_execute(db, path, sql, err) : pl_error_memory(err, "%s", path);
    sqlite3_free(sql);
    return status;
}

static pl_status say_about(sqlite3 *db, const char *path, const char *name, const char *value,
                           pl_error *err)
{
    char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO about VALUES (%Q, %Q)", name, value);
    pl_status status =
        sql != NULL ? pl_database_execute(db, path, sql, err) : pl_error_memory(err, "%s", path);
    sqlite3_free(sql);
    return status;
}

pl_status pl_session_write_as(pl_session *session, const char *path, const pl_session_as *as,
                              pl_error *err)
{
    sqlite3 *copy = NULL;
    pl_status status = pl_session_flush(session, err);
    if (status == PL_OK && access(path, F_OK) == 0) {
        status = pl_error_set(err, PL_ERR_IO, "%s: there is a file already", path);
    }
    PL_THEN(pl_database_duplicate(session->db, session->path, &copy, err));
    if (status == PL_OK && as->through > 0) {
        status = cut_off_behind(copy, path, as->through, err);
    } else if (status == PL_OK) {
        status = pl_database_execute(copy, path, "DELETE FROM begun", err);
    }
    if (status == PL_OK && as->rewrite != NULL) {
        status = rewrite_texts(copy, path, as, err);
    }
    for (size_t i = 0; status == PL_OK && i < as->n_about; i++) {
        status = say_about(copy, path, as->about[i][0], as->about[i][1], err);
    }
    PL_THEN(pl_database_save(copy, path, err));
    sqlite3_close(copy);
    return status;
}
