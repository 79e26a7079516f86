#include "sessions/database.h"

#include "core/base/file.h"
#include "core/base/text.h"
#include "sessions/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static const pl_migration migrations[] = {
    {"CREATE TABLE commands(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, text TEXT NOT NULL,"
     " ok INTEGER NOT NULL CHECK (ok IN (0, 1)), result TEXT, error TEXT);"
     "CREATE TABLE states(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES states(id),"
     " command INTEGER NOT NULL REFERENCES commands(id), json TEXT NOT NULL);"
     "CREATE TABLE head(one INTEGER PRIMARY KEY CHECK (one = 1),"
     " state INTEGER REFERENCES states(id));"
     "INSERT INTO head VALUES (1, NULL);"},
    {"CREATE TABLE begun(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, text TEXT NOT NULL,"
     " state INTEGER REFERENCES states(id));"},
    /* What computed the results from a command on; the state that a long command began in, where
     * others ended before it; what a session is made of: a branch's origin, identities of files. */
    {"CREATE TABLE runs(first INTEGER PRIMARY KEY, version TEXT NOT NULL, kernel TEXT NOT NULL,"
     " threads INTEGER NOT NULL);"
     "CREATE TABLE about(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"
     "ALTER TABLE commands ADD COLUMN began INTEGER REFERENCES states(id);"},
};
enum { MIGRATIONS = sizeof migrations / sizeof migrations[0] };

/* A reader's glance holds the writer up for a moment; more than this is another writer. */
enum { BUSY_MS = 2000 };

static pl_status newer(const char *path, int64_t found, int known, pl_error *err)
{
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "%s: this session was written by a newer Planish (schema %lld; this one "
                        "knows up to %d)",
                        path, (long long)found, known);
}

static pl_status foreign(const char *path, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT,
                        "%s: not a Planish session, but another application's SQLite database",
                        path);
}

static pl_status no_session(const char *path, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT,
                        "%s: not a Planish session (expected a SQLite database)", path);
}

static pl_status busy(const char *path, pl_error *err)
{
    return pl_error_set(err, PL_ERR_STATE,
                        "%s: the session is open in another program; close it there, or name "
                        "another file",
                        path);
}

/* The sentence for what SQLite reported. */
static pl_status refuse_sqlite(sqlite3 *db, const char *path, pl_error *err)
{
    int code = db != NULL ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;
    switch (code) {
    case SQLITE_NOTADB:
        return no_session(path, err);
    case SQLITE_CORRUPT:
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the session's file is damaged (%s)", path,
                            sqlite3_errmsg(db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return busy(path, err);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return pl_error_set(err, PL_ERR_IO,
                            "%s: the session cannot be written (it needs a writable file in a "
                            "writable folder)",
                            path);
    case SQLITE_NOMEM:
        return pl_error_memory(err, "%s", path);
    case SQLITE_ERROR: /* a table or column that should be there is not */
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the session's file is damaged (%s)", path,
                            sqlite3_errmsg(db));
    default:
        return pl_error_set(err, PL_ERR_IO, "%s: the session cannot be read or written: %s", path,
                            sqlite3_errmsg(db));
    }
}

static pl_status execute(sqlite3 *db, const char *path, const char *sql, pl_error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? PL_OK
                                                                : refuse_sqlite(db, path, err);
}

pl_status pl_database_query(sqlite3 *db, const char *path, const char *sql,
                            pl_status (*row)(void *ctx, sqlite3_stmt *row, pl_error *err),
                            void *ctx, pl_error *err)
{
    sqlite3_stmt *query = NULL;
    pl_status status = PL_OK;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) {
        return refuse_sqlite(db, path, err);
    }
    int step = SQLITE_DONE;
    while (status == PL_OK && (step = sqlite3_step(query)) == SQLITE_ROW) {
        status = row(ctx, query, err);
    }
    if (status == PL_OK && step != SQLITE_DONE) {
        status = refuse_sqlite(db, path, err);
    }
    sqlite3_finalize(query);
    return status;
}

static pl_status take_integer(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    (void)err;
    *(int64_t *)ctx = sqlite3_column_int64(row, 0);
    return PL_OK;
}

pl_status pl_database_number(sqlite3 *db, const char *path, const char *sql, int64_t *out,
                             pl_error *err)
{
    return pl_database_query(db, path, sql, take_integer, out, err);
}

pl_status pl_database_migrate(sqlite3 *db, const char *path, const pl_migration *steps, int count,
                              pl_error *err)
{
    int64_t version = 0;
    pl_status status = pl_database_number(db, path, "PRAGMA user_version", &version, err);
    if (status == PL_OK && (version > count || version < 0)) {
        status = newer(path, version, count, err);
    }
    for (; status == PL_OK && version < count; version++) {
        char set[64];
        sqlite3_snprintf(sizeof set, set, "PRAGMA user_version = %d", (int)version + 1);
        status = execute(db, path, steps[version].sql, err);
        PL_THEN(execute(db, path, set, err));
    }
    return status;
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Looks at a file's header without SQLite, which would create files beside it. */
static pl_status check_header(const char *path, int fd, pl_error *err)
{
    /* https://www.sqlite.org/fileformat.html 1.3: user_version at 60, application_id at 68. */
    unsigned char header[100];
    struct stat st;
    int why = 0;
    const size_t got = pl_read_at(fd, 0, header, sizeof header, &why);
    if (why != 0 || fstat(fd, &st) != 0) {
        return pl_error_set(err, PL_ERR_IO, "%s: %s", path, strerror(why != 0 ? why : errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return pl_error_set(err, PL_ERR_IO, "%s: expected a regular file", path);
    }
    if (got == 0) {
        return PL_OK; /* a new one */
    }
    if (got < sizeof header || memcmp(header, "SQLite format 3", 16) != 0) {
        return no_session(path, err);
    }
    if (big_endian(header + 68) != PL_SESSION_APPLICATION) {
        return foreign(path, err);
    }
    if (big_endian(header + 60) > MIGRATIONS) {
        return newer(path, big_endian(header + 60), MIGRATIONS, err);
    }
    return PL_OK;
}

const char *pl_database_journal(uint64_t file_system)
{
    /* linux/magic.h and the file systems' own sources: NFS, SMB 1, CIFS, SMB 2, AFS, Coda, Ceph,
     * Lustre, 9P, and FUSE (sshfs among them).  SQLite's write-ahead log is for local disks. */
    static const uint32_t network[] = {0x6969,     0x517b,     0xff534d42, 0xfe534d42, 0x5346414f,
                                       0x73757245, 0x00c36400, 0x0bd00bd0, 0x01021997, 0x65735546};
    for (size_t i = 0; i < sizeof network / sizeof network[0]; i++) {
        if ((uint32_t)file_system == network[i]) {
            return "truncate";
        }
    }
    return "wal";
}

/* Copies the first column, a short text. */
static pl_status take_column_text(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    (void)err;
    const unsigned char *text = sqlite3_column_text(row, 0);
    sqlite3_snprintf(128, ctx, "%s", text != NULL ? (const char *)text : "");
    return PL_OK;
}

/* Appends one object of a schema. */
static pl_status take_object(void *ctx, sqlite3_stmt *row, pl_error *err)
{
    pl_buf *list = ctx;
    for (int i = 0; i < 3; i++) {
        const unsigned char *text = sqlite3_column_text(row, i);
        pl_buf_puts(list, text != NULL ? (const char *)text : "");
        pl_buf_puts(list, i < 2 ? " " : "\n");
    }
    return pl_buf_check(list, err);
}

static pl_status list_schema(sqlite3 *db, const char *path, pl_buf *out, pl_error *err)
{
    return pl_database_query(db, path, "SELECT type, name, sql FROM sqlite_schema ORDER BY rowid",
                             take_object, out, err);
}

/* The file's version has the tables that the first steps make, and nothing else: a trigger, a view
 * or an index of somebody else's would run with every command that is recorded. */
static pl_status check_schema(sqlite3 *db, const char *path, pl_error *err)
{
    sqlite3 *model = NULL;
    pl_buf own = {0}, expected = {0};
    int64_t version = 0;
    pl_status status = pl_database_number(db, path, "PRAGMA user_version", &version, err);
    if (status == PL_OK && (version < 0 || version > MIGRATIONS)) {
        return newer(path, version, MIGRATIONS, err);
    }
    if (status == PL_OK && sqlite3_open(":memory:", &model) != SQLITE_OK) {
        status = refuse_sqlite(model, path, err);
    }
    PL_THEN(pl_database_migrate(model, path, migrations, (int)version, err));
    PL_THEN(list_schema(model, path, &expected, err));
    PL_THEN(list_schema(db, path, &own, err));
    const char *known = expected.data != NULL ? expected.data : "";
    const char *found = own.data != NULL ? own.data : "";
    if (status == PL_OK && strcmp(known, found) != 0) {
        size_t same = 0, line = 0; /* the first object that is another */
        for (; known[same] != '\0' && known[same] == found[same]; same++) {
            line = known[same] == '\n' ? same + 1 : line;
        }
        const char *at = found[line] != '\0' ? found + line : known + line;
        const size_t length = strcspn(at, "\n");
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: the session's schema is not the one that Planish makes (%s "
                              "\"%.*s%s\"), so it is not opened",
                              path, found[line] != '\0' ? "from" : "it lacks",
                              length < 100 ? (int)length : 100, at, length < 100 ? "" : "...");
    }
    sqlite3_close(model);
    pl_buf_deinit(&own);
    pl_buf_deinit(&expected);
    return status;
}

/* Within the transaction that holds the lock: is this whole, and ours?  A file whose making was cut
 * off is empty by now: its journal was rolled back when the lock was taken. */
static pl_status check_content(sqlite3 *db, const char *path, pl_error *err)
{
    int64_t application = 0, objects = 0;
    char verdict[128] = "";
    pl_status status = pl_database_number(db, path, "PRAGMA application_id", &application, err);
    PL_THEN(pl_database_number(db, path, "SELECT count(*) FROM sqlite_schema", &objects, err));
    if (status == PL_OK && application == 0 && objects == 0) {
        char set[64];
        sqlite3_snprintf(sizeof set, set, "PRAGMA application_id = %d", PL_SESSION_APPLICATION);
        return execute(db, path, set, err);
    }
    if (status == PL_OK && application != PL_SESSION_APPLICATION) {
        return foreign(path, err);
    }
    PL_THEN(check_schema(db, path, err));
    PL_THEN(pl_database_query(db, path, "PRAGMA quick_check(1)", take_column_text, verdict, err));
    if (status == PL_OK && strcmp(verdict, "ok") != 0) {
        status = pl_error_set(err, PL_ERR_FORMAT, "%s: the session's file is damaged (%s)", path,
                              verdict);
    }
    return status;
}

static pl_status make_folder(const char *path, pl_error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return PL_OK;
    }
    char *folder = strndup(path, (size_t)(slash - path));
    if (folder == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    pl_status status = pl_file_make_private_dirs(folder, err);
    free(folder);
    return status;
}

static const char *journal_of(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 ? pl_database_journal((uint64_t)fs.f_type) : "wal";
}

/* The journal's mode is set last: it changes the file. */
static pl_status set_journal(sqlite3 *db, const char *path, const char *mode, pl_error *err)
{
    char set[64], got[128] = "";
    sqlite3_snprintf(sizeof set, set, "PRAGMA journal_mode = %s", mode);
    return pl_database_query(db, path, set, take_column_text, got, err);
}

/* Within one transaction: what is in it is whole and ours, and of this version. */
static pl_status check_and_migrate(sqlite3 *db, const char *path, pl_error *err)
{
    pl_status status = execute(db, path, "PRAGMA trusted_schema = OFF; BEGIN EXCLUSIVE", err);
    PL_THEN(check_content(db, path, err));
    PL_THEN(pl_database_migrate(db, path, migrations, MIGRATIONS, err));
    PL_THEN(execute(db, path, "COMMIT", err));
    return status;
}

/* Ensures that one program writes.  On a network file system SQLite's own lock does, which also
 * keeps readers out, since there is no shared memory. */
static pl_status open_to_write(const char *path, sqlite3 **db, const char **notice, pl_error *err)
{
    const char *const journal = journal_of(path);
    const bool local = strcmp(journal, "wal") == 0;
    if (sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        return refuse_sqlite(*db, path, err);
    }
    /* Files that older versions made are made private, too, where they are the user's. */
    (void)chmod(path, 0600);
    sqlite3_busy_timeout(*db, BUSY_MS);
    pl_status status = execute(*db, path, "PRAGMA synchronous = FULL", err);
    if (status == PL_OK && !local) {
        *notice = "the session lies on a network file system: journal_mode=TRUNCATE is used";
        status = execute(*db, path, "PRAGMA locking_mode = EXCLUSIVE", err);
    }
    PL_THEN(check_and_migrate(*db, path, err));
    PL_THEN(set_journal(*db, path, journal, err));
    return status;
}

static pl_status make_file(const char *path, pl_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        return PL_OK;
    }
    pl_status status = make_folder(path, err);
    /* What is typed is the user's alone: SQLite's own files take the mode of this one. */
    const int made = status == PL_OK ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (status == PL_OK && made < 0) {
        status = pl_error_set(err, PL_ERR_IO,
                              "%s: the session cannot be written (it needs a writable file in a "
                              "writable folder)",
                              path);
    }
    if (made >= 0) {
        close(made);
    }
    return status;
}

pl_status pl_database_open(const char *path, sqlite3 **out, int *lock, const char **notice,
                           pl_error *err)
{
    sqlite3 *db = NULL;
    pl_lock_state state = PL_LOCK_NONE;
    *out = NULL;
    *lock = -1;
    *notice = NULL;
    pl_status status = make_file(path, err);
    PL_THEN(pl_lock_take(path, lock, &state, err));
    if (status == PL_OK && state == PL_LOCK_ELSEWHERE) {
        *notice = "another program has this session open: it is read here, and what is done from "
                  "now on is not kept (`branch NAME` keeps it)";
        return pl_database_copy(path, out, err);
    }
    PL_THEN(check_header(path, *lock, err));
    PL_THEN(open_to_write(path, &db, notice, err));
    if (status != PL_OK) {
        sqlite3_close(db); /* rolls back */
        pl_lock_release(*lock);
        *lock = -1;
        return status;
    }
    *out = db;
    return PL_OK;
}

/* --- copies ----------------------------------------------------------------------------------- */

/* Opens a file to read, even if another program writes it.  If this process may write, it completes
 * a log that was left behind; a read-only file without a log is opened as immutable. */
static pl_status open_to_read(const char *path, sqlite3 **db, pl_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return pl_error_set(err, PL_ERR_NOT_FOUND, "%s: there is no session of that name", path);
    }
    const bool writable = access(path, W_OK) == 0;
    pl_buf uri = {0};
    pl_buf_puts(&uri, "file:");
    for (const char *s = path; *s != '\0'; s++) {
        pl_buf_printf(&uri, strchr("%?#", *s) != NULL ? "%%%02x" : "%c", (unsigned char)*s);
    }
    pl_buf_puts(&uri, writable ? "?mode=rw" : "?mode=ro");
    pl_status status = pl_buf_check(&uri, err);
    if (status == PL_OK && !writable) {
        pl_buf log = {0};
        pl_buf_printf(&log, "%s-wal", path);
        if (!log.failed && access(log.data, F_OK) != 0) {
            pl_buf_puts(&uri, "&immutable=1");
        }
        pl_buf_deinit(&log);
        status = pl_buf_check(&uri, err);
    }
    if (status == PL_OK &&
        sqlite3_open_v2(uri.data, db,
                        SQLITE_OPEN_URI | (writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY),
                        NULL) != SQLITE_OK) {
        status = refuse_sqlite(*db, path, err);
    }
    pl_buf_deinit(&uri);
    if (status == PL_OK) {
        sqlite3_busy_timeout(*db, BUSY_MS);
    }
    return status;
}

/* All pages at once: one moment of the session. */
static pl_status copy_pages(sqlite3 *to, sqlite3 *from, const char *path, pl_error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return refuse_sqlite(to, path, err);
    }
    const int step = sqlite3_backup_step(backup, -1);
    const int end = sqlite3_backup_finish(backup);
    return step == SQLITE_DONE && end == SQLITE_OK ? PL_OK
           : step == SQLITE_BUSY                   ? busy(path, err)
                                                   : refuse_sqlite(to, path, err);
}

pl_status pl_database_duplicate(sqlite3 *from, const char *path, sqlite3 **out, pl_error *err)
{
    *out = NULL;
    sqlite3 *to = NULL;
    pl_status status =
        sqlite3_open(":memory:", &to) == SQLITE_OK ? PL_OK : refuse_sqlite(to, path, err);
    PL_THEN(copy_pages(to, from, path, err));
    if (status != PL_OK) {
        sqlite3_close(to);
        return status;
    }
    *out = to;
    return PL_OK;
}

pl_status pl_database_copy(const char *path, sqlite3 **out, pl_error *err)
{
    sqlite3 *from = NULL, *to = NULL;
    int64_t application = 0, objects = 0;
    *out = NULL;
    pl_status status = open_to_read(path, &from, err);
    PL_THEN(pl_database_number(from, path, "SELECT count(*) FROM sqlite_schema", &objects, err));
    PL_THEN(pl_database_number(from, path, "PRAGMA application_id", &application, err));
    if (status == PL_OK && application != PL_SESSION_APPLICATION) {
        status = objects > 0 ? foreign(path, err) : no_session(path, err);
    }
    PL_THEN(pl_database_duplicate(from, path, &to, err));
    PL_THEN(check_and_migrate(to, path, err));
    sqlite3_close(from);
    if (status != PL_OK) {
        sqlite3_close(to);
        return status;
    }
    *out = to;
    return PL_OK;
}

pl_status pl_database_execute(sqlite3 *db, const char *path, const char *sql, pl_error *err)
{
    return execute(db, path, sql, err);
}

pl_status pl_database_save(sqlite3 *db, const char *path, pl_error *err)
{
    sqlite3_int64 size = 0;
    /* Nothing that was taken out stays in a page that is free. */
    pl_status status = execute(db, path, "VACUUM", err);
    unsigned char *bytes = status == PL_OK ? sqlite3_serialize(db, "main", &size, 0) : NULL;
    if (status == PL_OK && bytes == NULL) {
        status = pl_error_memory(err, "%s", path);
    }
    if (status == PL_OK && size > 20) {
        bytes[18] = bytes[19] = 1; /* no log stands beside it (file format 1.3) */
    }
    PL_THEN(make_folder(path, err));
    PL_THEN(pl_file_write_private(path, bytes, (size_t)size, err));
    sqlite3_free(bytes);
    return status;
}

void pl_record_free(pl_record *entry)
{
    if (entry != NULL) {
        free(entry->text);
        free(entry->result);
        free(entry->error);
        free(entry->json);
        free(entry->run.version);
        free(entry->run.kernel);
        free(entry);
    }
}

/* The statements of a write, prepared once a transaction. */
typedef struct statements {
    sqlite3_stmt *command, *state, *head, *begin, *end, *run;
} statements;

static int step_once(sqlite3_stmt *statement)
{
    int step = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    return step == SQLITE_DONE ? SQLITE_OK : reset != SQLITE_OK ? reset : step;
}

static void bind_reference(sqlite3_stmt *statement, int index, int64_t id)
{
    if (id > 0) {
        sqlite3_bind_int64(statement, index, id);
    } else {
        sqlite3_bind_null(statement, index);
    }
}

static int write_entry(const statements *to, const pl_record *entry)
{
    int code = SQLITE_OK;
    if (entry->begun > 0) {
        sqlite3_bind_int64(to->begin, 1, entry->begun);
        sqlite3_bind_int64(to->begin, 2, entry->time_ms);
        sqlite3_bind_text(to->begin, 3, entry->text, -1, SQLITE_STATIC);
        bind_reference(to->begin, 4, entry->begun_in);
        code = step_once(to->begin);
    }
    if (code == SQLITE_OK && entry->ended > 0) {
        sqlite3_bind_int64(to->end, 1, entry->ended);
        code = step_once(to->end);
    }
    if (code == SQLITE_OK && entry->command > 0) {
        sqlite3_bind_int64(to->command, 1, entry->command);
        sqlite3_bind_int64(to->command, 2, entry->time_ms);
        sqlite3_bind_text(to->command, 3, entry->text, -1, SQLITE_STATIC);
        sqlite3_bind_int(to->command, 4, entry->ok);
        sqlite3_bind_text(to->command, 5, entry->result, -1, SQLITE_STATIC);
        sqlite3_bind_text(to->command, 6, entry->error, -1, SQLITE_STATIC);
        bind_reference(to->command, 7, entry->began_in);
        code = step_once(to->command);
    }
    if (code == SQLITE_OK && entry->state > 0) {
        sqlite3_bind_int64(to->state, 1, entry->state);
        bind_reference(to->state, 2, entry->parent);
        sqlite3_bind_int64(to->state, 3, entry->command);
        sqlite3_bind_text(to->state, 4, entry->json, -1, SQLITE_STATIC);
        code = step_once(to->state);
    }
    if (code == SQLITE_OK && entry->run.version != NULL) {
        sqlite3_bind_int64(to->run, 1, entry->command);
        sqlite3_bind_text(to->run, 2, entry->run.version, -1, SQLITE_STATIC);
        sqlite3_bind_text(to->run, 3, entry->run.kernel, -1, SQLITE_STATIC);
        sqlite3_bind_int(to->run, 4, entry->run.threads);
        code = step_once(to->run);
    }
    if (code == SQLITE_OK && entry->head > 0) {
        sqlite3_bind_int64(to->head, 1, entry->head);
        code = step_once(to->head);
    }
    return code;
}

pl_status pl_database_write(sqlite3 *db, const char *path, const pl_record *first, pl_error *err)
{
    statements to = {0};
    /* Without memory even the end of a transaction that has failed may have failed. */
    if (!sqlite3_get_autocommit(db)) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    bool good =
        sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?)", -1, &to.command,
                           NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "INSERT INTO states VALUES (?, ?, ?, ?)", -1, &to.state, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(db, "UPDATE head SET state = ?", -1, &to.head, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "INSERT INTO begun VALUES (?, ?, ?, ?)", -1, &to.begin, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(db, "INSERT INTO runs VALUES (?, ?, ?, ?)", -1, &to.run, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(db, "DELETE FROM begun WHERE id = ?", -1, &to.end, NULL) == SQLITE_OK;
    for (const pl_record *entry = first; good && entry != NULL; entry = entry->next) {
        good = write_entry(&to, entry) == SQLITE_OK;
    }
    /* The error is told before the clean-up replaces it. */
    pl_status status = good ? PL_OK : refuse_sqlite(db, path, err);
    sqlite3_finalize(to.command);
    sqlite3_finalize(to.state);
    sqlite3_finalize(to.head);
    sqlite3_finalize(to.begin);
    sqlite3_finalize(to.end);
    sqlite3_finalize(to.run);
    PL_THEN(execute(db, path, "COMMIT", err));
    if (status != PL_OK && !sqlite3_get_autocommit(db)) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}
