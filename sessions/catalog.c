#include "sessions/catalog.h"

#include "core/base/file.h"
#include "core/base/temporary.h"
#include "sessions/database.h"
#include "sessions/lock.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char ending[] = ".planish";

void pl_session_sweep(void)
{
    pl_buf folder = {0};
    pl_session_put_folder(&folder);
    if (folder.data != NULL && !folder.failed) {
        pl_temporary_sweep(folder.data);
    }
    pl_buf_deinit(&folder);
}

/* A file's name without blanks or anything else that a shell or a prompt would take apart. */
static void put_plain_name(const char *name, pl_buf *out)
{
    const size_t most = 48;
    for (size_t i = 0; name[i] != '\0' && i < most; i++) {
        const char c = name[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                           (c >= 'A' && c <= 'Z') || strchr("._-", c) != NULL;
        pl_buf_printf(out, "%c", plain && (c != '.' || i > 0) ? c : '_');
    }
}

/* "name-0123abcd", as a model's own session ends. */
static bool ends_in_print(const char *name)
{
    enum { DIGITS = 8 };
    const size_t length = strlen(name);
    return length > DIGITS && name[length - DIGITS - 1] == '-' &&
           strspn(name + length - DIGITS, "0123456789abcdef") == DIGITS;
}

pl_status pl_session_model_path(const char *name, pl_id print, pl_buf *out, pl_error *err)
{
    char tail[32], text[PL_ID_TEXT];
    pl_buf folder = {0};
    pl_id_format(print, text);
    snprintf(tail, sizeof tail, "-%.8s%s", text, ending);
    pl_session_put_folder(&folder);
    pl_status status = pl_buf_check(&folder, err);
    DIR *dir = status == PL_OK ? opendir(folder.data) : NULL;
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL && !pl_text_ends(entry->d_name, tail)) {
    }
    if (status == PL_OK && entry != NULL) {
        pl_path_join(out, folder.data, entry->d_name);
    } else if (status == PL_OK) {
        pl_path_join(out, folder.data, "");
        put_plain_name(name, out);
        pl_buf_puts(out, tail);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    pl_buf_deinit(&folder);
    PL_THEN(pl_buf_check(out, err));
    return status;
}

bool pl_session_name_is_valid(const char *name)
{
    static const char plain[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._+-";
    const size_t length = strlen(name);
    /* A number is a place in the list; eight digits at the end are a model's own. */
    return length > 0 && length <= PL_SESSION_NAME && name[0] != '.' && name[0] != '-' &&
           strspn(name, plain) == length && strspn(name, "0123456789") < length &&
           !ends_in_print(name);
}

pl_status pl_session_named_path(const char *name, pl_buf *out, pl_error *err)
{
    pl_buf folder = {0};
    pl_session_put_folder(&folder);
    pl_status status = pl_buf_check(&folder, err);
    if (status == PL_OK) {
        pl_path_join(out, folder.data, name);
        pl_buf_puts(out, ending);
        status = pl_buf_check(out, err);
    }
    pl_buf_deinit(&folder);
    return status;
}

bool pl_session_is_of_another(const char *path, pl_id print)
{
    enum { DIGITS = 8 };
    char text[PL_ID_TEXT];
    const size_t length = strlen(path), tail = DIGITS + sizeof ending - 1;
    if (!pl_text_ends(path, ending) || length < tail + 1 || path[length - tail - 1] != '-' ||
        strspn(path + length - tail, "0123456789abcdef") < DIGITS) {
        return false;
    }
    pl_id_format(print, text);
    return strncmp(path + length - tail, text, DIGITS) != 0;
}

/* --- the list --------------------------------------------------------------------------------- */

static void deinit_entry(pl_session_entry *entry)
{
    free(entry->path);
    free(entry->name);
    free(entry->last);
    free(entry->branch_of);
    json_decref(entry->state);
}

void pl_session_list_free(pl_session_entry *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        deinit_entry(&list[i]);
    }
    free(list);
}

/* "# undo" and the like are nobody's commands. */
static void take_last(void *ctx, const pl_session_command *one)
{
    pl_session_entry *entry = ctx;
    entry->time_ms = one->time_ms;
    if (one->text[0] != '#') {
        free(entry->last);
        entry->last = strdup(one->text);
    }
}

static pl_status take_row(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    (void)err;
    const char *text = (const char *)sqlite3_column_text(row, 0);
    const char *json = (const char *)sqlite3_column_text(row, 2);
    pl_session_entry *entry = ctx;
    take_last(entry, &(pl_session_command){.text = text != NULL ? text : "",
                                           .time_ms = sqlite3_column_int64(row, 1)});
    json_decref(entry->state);
    entry->state = json != NULL ? json_loads(json, 0, NULL) : NULL;
    return PL_OK;
}

/* Files of before the third version have no such table. */
static char *branch_of(sqlite3 *db)
{
    sqlite3_stmt *query = NULL;
    char *found = NULL;
    if (sqlite3_prepare_v2(db, "SELECT value FROM about WHERE name = 'branch_of'", -1, &query,
                           NULL) == SQLITE_OK &&
        sqlite3_step(query) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(query, 0);
        found = text != NULL ? strdup(text) : NULL;
    }
    sqlite3_finalize(query);
    return found;
}

static bool is_session(sqlite3 *db)
{
    sqlite3_stmt *query = NULL;
    const bool found =
        sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &query, NULL) == SQLITE_OK &&
        sqlite3_step(query) == SQLITE_ROW &&
        sqlite3_column_int64(query, 0) == PL_SESSION_APPLICATION;
    sqlite3_finalize(query);
    return found;
}

/* Looks into a file that may be anything.  False where it is no session, or has nothing in it. */
static bool look_into(pl_session_entry *entry)
{
    static const char newest[] =
        "SELECT text, (SELECT max(time) FROM commands), coalesce((SELECT json FROM states WHERE "
        "instr(json, '" PL_SOLVED_STATE "') ORDER BY id DESC LIMIT 1), "
        "(SELECT json FROM states JOIN head ON head.state = states.id)) "
        "FROM commands WHERE text NOT LIKE '#%' ORDER BY id DESC LIMIT 1";
    sqlite3 *db = NULL;
    struct stat st;
    /* Only read; but who may not write leaves the log's index behind. */
    bool found = sqlite3_open_v2(entry->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                 sqlite3_exec(db, "PRAGMA trusted_schema = OFF", NULL, NULL, NULL) == SQLITE_OK;
    entry->busy = pl_lock_is_held(entry->path);
    if (found && is_session(db)) {
        found = pl_database_query(db, entry->path, newest, take_row, entry, NULL) == PL_OK &&
                entry->last != NULL;
        entry->branch_of = found ? branch_of(db) : NULL;
    } else if (db != NULL && (sqlite3_errcode(db) & 0xff) == SQLITE_BUSY) {
        entry->busy = stat(entry->path, &st) == 0;
        entry->time_ms = entry->busy ? (int64_t)st.st_mtim.tv_sec * 1000 : 0;
        found = entry->busy;
    } else {
        found = false;
    }
    sqlite3_close(db);
    return found;
}

static pl_status ask_open(pl_session *open, pl_session_entry *entry, pl_error *err)
{
    pl_status status = pl_session_commands(open, 64, take_last, entry, err);
    entry->busy = !pl_session_is_kept(open);
    entry->branch_of = pl_session_about(open, "branch_of");
    PL_THEN(pl_session_solved_state(open, &entry->state, err));
    return status;
}

/* path is taken over. */
static pl_status add_entry(pl_session *open, char *path, pl_session_entry **list, size_t *count,
                           pl_error *err)
{
    pl_session_entry entry = {.path = path};
    pl_session_entry *grown = path != NULL ? realloc(*list, (*count + 1) * sizeof *grown) : NULL;
    *list = grown != NULL ? grown : *list;
    if (path != NULL) {
        const char *name = pl_path_name(path);
        const size_t length = strlen(name), tail = sizeof ending - 1;
        entry.name = strndup(name, pl_text_ends(name, ending) ? length - tail : length);
    }
    if (grown == NULL || entry.name == NULL) {
        deinit_entry(&entry);
        return pl_error_memory(err, "the list of sessions");
    }
    pl_status status = PL_OK;
    bool found = true;
    if (open != NULL && strcmp(path, pl_session_path(open)) == 0) {
        status = ask_open(open, &entry, err);
    } else {
        found = look_into(&entry);
    }
    if (status == PL_OK && found) {
        (*list)[(*count)++] = entry;
    } else {
        deinit_entry(&entry);
    }
    return status;
}

static int newest_first(const void *a, const void *b)
{
    const pl_session_entry *x = a, *y = b;
    return x->time_ms != y->time_ms ? (x->time_ms < y->time_ms) - (x->time_ms > y->time_ms)
                                    : strcmp(x->name, y->name);
}

pl_status pl_session_list(pl_session *open, pl_session_entry **out, size_t *count, pl_error *err)
{
    pl_buf folder = {0};
    pl_session_entry *list = NULL;
    bool listed = open == NULL;
    *out = NULL;
    *count = 0;
    pl_session_put_folder(&folder);
    pl_status status = pl_buf_check(&folder, err);
    DIR *dir = status == PL_OK ? opendir(folder.data) : NULL;
    const struct dirent *entry = NULL;
    while (status == PL_OK && dir != NULL && (entry = readdir(dir)) != NULL) {
        pl_buf path = {0};
        if (!pl_text_ends(entry->d_name, ending)) {
            continue;
        }
        pl_path_join(&path, folder.data, entry->d_name);
        status = pl_buf_check(&path, err);
        listed = listed || (status == PL_OK && strcmp(path.data, pl_session_path(open)) == 0);
        PL_THEN(add_entry(open, path.data, &list, count, err));
    }
    if (dir != NULL) {
        closedir(dir);
    }
    pl_buf_deinit(&folder);
    if (status == PL_OK && !listed) {
        status = add_entry(open, strdup(pl_session_path(open)), &list, count, err);
    }
    if (status != PL_OK) {
        pl_session_list_free(list, *count);
        *count = 0;
        return status;
    }
    if (*count > 0) {
        qsort(list, *count, sizeof *list, newest_first);
    }
    *out = list;
    return PL_OK;
}

pl_status pl_session_list_find(const pl_session_entry *list, size_t count, const char *which,
                               size_t *index, pl_error *err)
{
    char *end = NULL;
    const unsigned long number = strtoul(which, &end, 10);
    if (which[0] >= '0' && which[0] <= '9' && *end == '\0' && number >= 1 && number <= count) {
        *index = number - 1;
        return PL_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, which) == 0) {
            *index = i;
            return PL_OK;
        }
    }
    pl_buf names = {0};
    for (size_t i = 0; i < count && i < 8; i++) {
        pl_buf_printf(&names, "%s%zu %s", i > 0 ? ", " : "", i + 1, list[i].name);
    }
    pl_status status = pl_error_set(
        err, PL_ERR_NOT_FOUND, "sessions: no session is named \"%s\"; there %s %s%s", which,
        count > 0 ? "are" : "is", count > 0 ? names.data : "none", count > 8 ? ", ..." : "");
    pl_buf_deinit(&names);
    return status;
}
