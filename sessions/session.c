#include "sessions/session.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "sessions/lock.h"
#include "sessions/session_parts.h"

#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the writer ---- */

/* Takes the whole queue, writes it in one transaction, and puts it back in front if that failed:
 * what comes later refers to it. */
static void write_queue(pl_session *session)
{
    pl_record *batch = session->first, **end = session->last;
    pl_error failure = {.code = PL_OK};
    session->first = NULL;
    session->last = &session->first;
    session->writing = true;
    session->again = false;
    pthread_mutex_unlock(&session->lock_of_queue);

    pl_status status = pl_database_write(session->db, session->path, batch, &failure);
    while (status == PL_OK && batch != NULL) {
        pl_record *next = batch->next;
        pl_record_free(batch);
        batch = next;
    }

    pthread_mutex_lock(&session->lock_of_queue);
    if (batch != NULL) {
        *end = session->first;
        if (session->first == NULL) {
            session->last = end;
        }
        session->first = batch;
    }
    session->failure = failure;
    session->writing = false;
    pthread_cond_broadcast(&session->idle);
}

static void *run_writer(void *arg)
{
    pl_session *session = arg;
    pthread_mutex_lock(&session->lock_of_queue);
    for (;;) {
        if (session->first != NULL && (session->failure.code == PL_OK || session->again)) {
            write_queue(session);
        } else if (session->stop) {
            break;
        } else {
            pthread_cond_wait(&session->wake, &session->lock_of_queue);
        }
    }
    pthread_mutex_unlock(&session->lock_of_queue);
    return NULL;
}

/* Takes the entry.  Returns what keeps the writer from writing, if anything does. */
static pl_status enqueue(pl_session *session, pl_record *entry, pl_error *err)
{
    pthread_mutex_lock(&session->lock_of_queue);
    *session->last = entry;
    session->last = &entry->next;
    session->again = true;
    pl_status status = session->failure.code;
    if (status != PL_OK && err != NULL) {
        *err = session->failure;
    }
    pthread_cond_signal(&session->wake);
    pthread_mutex_unlock(&session->lock_of_queue);
    return status;
}

pl_status pl_session_flush(pl_session *session, pl_error *err)
{
    pthread_mutex_lock(&session->lock_of_queue);
    session->again = true;
    pthread_cond_signal(&session->wake);
    while (session->writing || (session->first != NULL && session->again)) {
        pthread_cond_wait(&session->idle, &session->lock_of_queue);
    }
    pl_status status = session->first != NULL ? session->failure.code : PL_OK;
    if (status != PL_OK && err != NULL) {
        *err = session->failure;
    }
    pthread_mutex_unlock(&session->lock_of_queue);
    return status;
}

/* Signals belong to the other threads. */
static pl_status start_writer(pl_session *session, pl_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    session->running = pthread_create(&session->writer, NULL, run_writer, session) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return session->running ? PL_OK
                            : pl_error_set(err, PL_ERR_MEMORY, "%s: no thread to write the session",
                                           session->path);
}

/* ---- the states ---- */

/* Takes json.  Returns false, with nothing changed but json freed, when memory is out. */
static bool add_node(pl_session *session, int64_t command, char *json)
{
    if (session->n_nodes == session->capacity) {
        size_t capacity = session->capacity > 0 ? 2 * session->capacity : 64;
        pl_session_node *nodes = realloc(session->nodes, capacity * sizeof *nodes);
        if (nodes == NULL) {
            free(json);
            return false;
        }
        session->nodes = nodes;
        session->capacity = capacity;
    }
    session->nodes[session->n_nodes++] = (pl_session_node){.command = command, .json = json};
    return true;
}

pl_status pl_session_damaged(const pl_session *session, const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: the session's file is damaged (%s)", session->path,
                        what);
}

static pl_status load_state(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    pl_session *session = ctx;
    int64_t id = sqlite3_column_int64(row, 0), parent = sqlite3_column_int64(row, 1);
    const unsigned char *json = sqlite3_column_text(row, 2);
    if (id != (int64_t)session->n_nodes + 1 || parent < 0 || parent >= id || json == NULL) {
        return pl_session_damaged(session, "its states do not follow one another", err);
    }
    char *copy = strdup((const char *)json);
    if (copy == NULL || !add_node(session, sqlite3_column_int64(row, 3), copy)) {
        return pl_error_memory(err, "%s", session->path);
    }
    return PL_OK;
}

/* Takes text.  False, with nothing changed but text freed, when memory is out. */
static bool add_begun(pl_session *session, int64_t id, int64_t state, char *text)
{
    pl_session_begun *grown = realloc(session->begun, (session->n_begun + 1) * sizeof *grown);
    if (grown == NULL) {
        free(text);
        return false;
    }
    session->begun = grown;
    session->begun[session->n_begun++] = (pl_session_begun){.id = id, .state = state, .text = text};
    session->last_begun = id;
    return true;
}

static pl_status load_begun(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    pl_session *session = ctx;
    const unsigned char *text = sqlite3_column_text(row, 1);
    char *copy = text != NULL ? strdup((const char *)text) : NULL;
    if (text == NULL) {
        return pl_session_damaged(session, "a command that had begun has no text", err);
    }
    const int64_t state = sqlite3_column_int64(row, 2);
    if (state < 0 || state > (int64_t)session->n_nodes) {
        free(copy);
        return pl_session_damaged(session, "the state of a command that had begun is missing", err);
    }
    if (copy == NULL || !add_begun(session, sqlite3_column_int64(row, 0), state, copy)) {
        return pl_error_memory(err, "%s", session->path);
    }
    session->n_left = session->n_begun;
    return PL_OK;
}

static pl_status load_nodes(pl_session *session, pl_error *err)
{
    const char *path = session->path;
    pl_status status = pl_database_query(session->db, path,
                                         "SELECT id, parent, json, command FROM states ORDER BY id",
                                         load_state, session, err);
    session->head = -1;
    PL_THEN(pl_database_number(session->db, path, "SELECT coalesce(max(id), 0) FROM commands",
                               &session->commands, err));
    PL_THEN(pl_database_number(session->db, path, "SELECT coalesce(state, 0) FROM head",
                               &session->head, err));
    if (status == PL_OK && (session->head < 0 || session->head > (int64_t)session->n_nodes)) {
        status = pl_session_damaged(session, "its present state is missing", err);
    }
    return status;
}

/* Takes db, which is lock's. */
static pl_status take_database(const char *path, sqlite3 *db, int lock, pl_session **out,
                               pl_error *err)
{
    *out = NULL;
    pl_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        sqlite3_close(db);
        pl_lock_release(lock);
        return pl_error_memory(err, "%s", path);
    }
    session->db = db;
    session->lock = lock;
    session->last = &session->first;
    pthread_mutex_init(&session->lock_of_queue, NULL);
    pthread_cond_init(&session->wake, NULL);
    pthread_cond_init(&session->idle, NULL);
    session->path = strdup(path);
    pl_status status = session->path != NULL ? PL_OK : pl_error_memory(err, "%s", path);
    PL_THEN(load_nodes(session, err));
    if (status == PL_OK && lock >= 0) { /* else they run in the other program just now */
        status = pl_database_query(session->db, path,
                                   "SELECT id, text, coalesce(state, 0) FROM begun ORDER BY id",
                                   load_begun, session, err);
    } else if (status == PL_OK) {
        status = pl_database_execute(session->db, path, "DELETE FROM begun", err);
    }
    PL_THEN(start_writer(session, err));
    if (status != PL_OK) {
        pl_session_close(session);
        return status;
    }
    *out = session;
    return PL_OK;
}

pl_status pl_session_open(const char *path, pl_session **out, pl_error *err)
{
    sqlite3 *db = NULL;
    const char *notice = NULL;
    int lock = -1;
    *out = NULL;
    pl_status status = pl_database_open(path, &db, &lock, &notice, err);
    PL_THEN(take_database(path, db, lock, out, err));
    if (status == PL_OK) {
        (*out)->notice = notice;
    }
    return status;
}

pl_status pl_session_read(const char *path, pl_session **out, pl_error *err)
{
    sqlite3 *db = NULL;
    *out = NULL;
    pl_status status = pl_database_copy(path, &db, err);
    PL_THEN(take_database(path, db, -1, out, err));
    return status;
}

bool pl_session_is_kept(const pl_session *session)
{
    return session->lock >= 0;
}

pl_status pl_session_set_maker(pl_session *session, const char *version, const char *kernel,
                               int threads, pl_error *err)
{
    pl_made_by maker = {strdup(version), strdup(kernel), threads};
    if (maker.version == NULL || maker.kernel == NULL) {
        free(maker.version);
        free(maker.kernel);
        return pl_error_memory(err, "%s", session->path);
    }
    free(session->maker.version);
    free(session->maker.kernel);
    session->maker = maker;
    return PL_OK;
}

/* --- commands that have begun ----------------------------------------------------------------- */

/* The index-th of them is no longer one. */
static void drop_begun(pl_session *session, size_t index)
{
    free(session->begun[index].text);
    session->n_begun--;
    session->n_left -= index < session->n_left;
    memmove(&session->begun[index], &session->begun[index + 1],
            (session->n_begun - index) * sizeof *session->begun);
}

/* What an earlier run had begun is not asked for any more.  Without memory it stays on disk. */
static void forget_left(pl_session *session)
{
    while (session->n_left > 0) {
        pl_record *entry = calloc(1, sizeof *entry);
        if (entry == NULL) {
            return;
        }
        entry->ended = session->begun[0].id;
        drop_begun(session, 0);
        pl_status ignored = enqueue(session, entry, NULL);
        (void)ignored; /* tried again with all that waits */
    }
}

pl_status pl_session_begin(pl_session *session, const char *command, pl_error *err)
{
    forget_left(session);
    pl_record *entry = calloc(1, sizeof *entry);
    char *copy = strdup(command);
    if (entry != NULL) {
        entry->text = strdup(command);
    }
    const bool room = entry != NULL && entry->text != NULL && copy != NULL;
    if (!room) {
        free(copy);
    }
    if (!room || !add_begun(session, session->last_begun + 1, session->head, copy)) {
        pl_record_free(entry);
        return pl_error_memory(err, "a command's record of %s", session->path);
    }
    entry->begun = session->last_begun;
    entry->begun_in = session->head;
    entry->time_ms = now_ms();
    return enqueue(session, entry, err);
}

const char *pl_session_cut_off(const pl_session *session)
{
    return session->n_left > 0 ? session->begun[session->n_left - 1].text : NULL;
}

void pl_session_close(pl_session *session)
{
    if (session == NULL) {
        return;
    }
    if (session->running) {
        pthread_mutex_lock(&session->lock_of_queue);
        session->stop = session->again = true;
        pthread_cond_signal(&session->wake);
        pthread_mutex_unlock(&session->lock_of_queue);
        pthread_join(session->writer, NULL);
    }
    for (pl_record *entry = session->first; entry != NULL;) {
        pl_record *next = entry->next;
        pl_record_free(entry);
        entry = next;
    }
    for (size_t i = 0; i < session->n_nodes; i++) {
        free(session->nodes[i].json);
    }
    free(session->nodes);
    for (size_t i = 0; i < session->n_begun; i++) {
        free(session->begun[i].text);
    }
    free(session->begun);
    sqlite3_close(session->db);
    pl_lock_release(session->lock);
    free(session->maker.version);
    free(session->maker.kernel);
    pthread_cond_destroy(&session->idle);
    pthread_cond_destroy(&session->wake);
    pthread_mutex_destroy(&session->lock_of_queue);
    free(session->path);
    free(session);
}

const char *pl_session_path(const pl_session *session)
{
    return session->path;
}

const char *pl_session_notice(const pl_session *session)
{
    return session->notice;
}

/* Copies the optional texts; false when memory is out (or a result that JSON cannot hold). */
static bool fill_entry(pl_record *entry, const char *command, const json_t *result,
                       const char *error, const json_t *state)
{
    entry->text = strdup(command);
    entry->error = error != NULL ? strdup(error) : NULL;
    entry->result = result != NULL ? pl_json_text(result, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    entry->json = state != NULL ? pl_json_text(state, JSON_COMPACT) : NULL;
    return entry->text != NULL && (entry->error != NULL) == (error != NULL) &&
           (entry->result != NULL) == (result != NULL) && (entry->json != NULL) == (state != NULL);
}

pl_status pl_session_record(pl_session *session, const char *command, bool ok, const json_t *result,
                            const char *error, const json_t *state, pl_error *err)
{
    pl_record *entry = calloc(1, sizeof *entry);
    if (entry == NULL || !fill_entry(entry, command, result, error, state)) {
        pl_record_free(entry);
        return pl_error_memory(err, "a command's record of %s", session->path);
    }
    const int64_t before = session->head;
    const char *present = before > 0 ? session->nodes[before - 1].json : NULL;
    /* A command that leaves everything as it was adds no state. */
    if (entry->json != NULL && (present == NULL || strcmp(present, entry->json) != 0)) {
        char *copy = strdup(entry->json);
        if (copy == NULL || !add_node(session, session->commands + 1, copy)) {
            pl_record_free(entry);
            return pl_error_memory(err, "a state of %s", session->path);
        }
        entry->parent = session->head;
        entry->state = entry->head = session->head = (int64_t)session->n_nodes;
    }
    for (size_t i = session->n_left; i < session->n_begun && entry->ended == 0; i++) {
        if (strcmp(session->begun[i].text, command) == 0) {
            entry->ended = session->begun[i].id;
            entry->began_in = session->begun[i].state != before ? session->begun[i].state : 0;
            drop_begun(session, i);
        }
    }
    entry->command = ++session->commands;
    entry->time_ms = now_ms();
    entry->ok = ok;
    entry->run = session->maker;
    session->maker = (pl_made_by){0};
    return enqueue(session, entry, err);
}

pl_status pl_session_read_state(const pl_session *session, int64_t id, json_t **out, pl_error *err)
{
    *out = NULL;
    if (id == 0) {
        return PL_OK;
    }
    const unsigned before = pl_memory_failures();
    *out = json_loads(session->nodes[id - 1].json, 0, NULL);
    if (*out != NULL) {
        return PL_OK;
    }
    return pl_memory_failures() == before ? pl_session_damaged(session, "a state is not JSON", err)
                                          : pl_error_memory(err, "%s", session->path);
}

pl_status pl_session_state(pl_session *session, json_t **out, pl_error *err)
{
    return pl_session_read_state(session, session->head, out, err);
}

pl_status pl_session_solved_state(pl_session *session, json_t **out, pl_error *err)
{
    size_t i = session->n_nodes;
    if (session->n_left > 0 && session->begun[session->n_left - 1].state > 0) {
        return pl_session_read_state(session, session->begun[session->n_left - 1].state, out, err);
    }
    while (i > 0 && strstr(session->nodes[i - 1].json, PL_SOLVED_STATE) == NULL) {
        i--;
    }
    return pl_session_read_state(session, i > 0 ? (int64_t)i : session->head, out, err);
}

void pl_session_default_path(pl_buf *out)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    /* The XDG base directory specification: a relative path is to be ignored. */
    if (state != NULL && state[0] == '/') {
        pl_path_join(out, state, "planish/last.planish");
        return;
    }
    if (home == NULL || home[0] == '\0') {
        const struct passwd *user = getpwuid(getuid());
        home = user != NULL ? user->pw_dir : ".";
    }
    pl_path_join(out, home, ".local/state/planish/last.planish");
}

void pl_session_put_folder(pl_buf *out)
{
    pl_session_default_path(out);
    char *slash = out->data != NULL ? strrchr(out->data, '/') : NULL;
    if (slash != NULL) {
        out->size = (size_t)(slash - out->data);
        *slash = '\0';
    }
}

const char *pl_session_library(void)
{
    return sqlite3_libversion();
}
