/* A session on disk: what is recorded comes back, and every file that is not a good session is
 * refused with its sentence and left as it was. */
#include "tests/unit/sessions/session_files.h"

#include "sessions/catalog.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Opening must fail with the code and the sentence, and leave the file's bytes as they are. */
static void check_refused(const char *path, pl_status code, const char *sentence)
{
    pl_error err = {0};
    pl_session *session = (pl_session *)&err;
    char *before = NULL, *after = NULL;
    size_t size_before = 0, size_after = 0;
    pl_check_ok(pl_file_read_all(path, 1 << 24, &before, &size_before, &err), err);
    assert_int_equal(pl_session_open(path, &session, &err), code);
    assert_null(session);
    assert_int_equal(err.code, code);
    pl_check_says(err, path);
    pl_check_says(err, sentence);
    pl_check_ok(pl_file_read_all(path, 1 << 24, &after, &size_after, &err), err);
    assert_int_equal(size_before, size_after);
    assert_memory_equal(before, after, size_before);
    free(before);
    free(after);
}

static void creates_and_reopens(void **unused)
{
    (void)unused;
    const char *path = in_folder("deep/er/new.planish");
    pl_error err = {0};
    pl_session *session = opened(path);
    assert_string_equal(pl_session_path(session), path);
    assert_null(pl_session_notice(session));
    assert_int_equal(present(session), -1);
    record(session, "open 'a b'", 1);
    record(session, "layers", -1);
    record(session, "select 0.q_proj", 2);
    record(session, "select 0.q_proj", 2); /* changes nothing: no step */
    pl_check_ok(pl_session_record(session, "solve", false, NULL, "it failed", NULL, &err), err);
    assert_int_equal(present(session), 2);
    pl_session_close(session);

    session = opened(path);
    assert_int_equal(present(session), 2);
    assert_int_equal(state_numbered(session, 1), 1);
    pl_session_close(session);

    check_sql(path, "SELECT group_concat(text || '/' || ok, '; ') FROM commands",
              "open 'a b'/1; layers/1; select 0.q_proj/1; select 0.q_proj/1; solve/0");
    check_sql(path, "SELECT group_concat(json || coalesce(parent, 0) || command) FROM states",
              "{\"n\":1}01,{\"n\":2}13");
    check_sql(path, "SELECT error FROM commands WHERE NOT ok", "it failed");
    check_sql(path, "SELECT result FROM commands WHERE id = 2", "{\"said\":\"layers\"}");
    check_sql(path, "PRAGMA application_id", "1349283443");
    check_sql(path, "PRAGMA user_version", "3");
    check_sql(path, "PRAGMA journal_mode", "wal");
}

/* A command that has begun and not ended is told to the next who opens the session. */
static void tells_what_was_cut_off(void **unused)
{
    (void)unused;
    const char *path = in_folder("cut.planish");
    pl_error err = {0};
    pl_session *session = opened(path);
    assert_null(pl_session_cut_off(session));
    pl_check_ok(pl_session_begin(session, "solve all", &err), err);
    assert_null(pl_session_cut_off(session)); /* not in this run */
    record(session, "select 1.q_proj", 1);
    pl_session_close(session);

    session = opened(path);
    assert_string_equal(pl_session_cut_off(session), "solve all");
    pl_session_close(session);
    session = opened(path); /* until something else begins */
    assert_string_equal(pl_session_cut_off(session), "solve all");
    pl_check_ok(pl_session_begin(session, "sweep all beta=1:2:lin3", &err), err);
    assert_null(pl_session_cut_off(session));
    record(session, "sweep all beta=1:2:lin3", 2);
    pl_session_close(session);

    session = opened(path);
    assert_null(pl_session_cut_off(session));
    pl_check_ok(pl_session_begin(session, "solve all", &err), err);
    pl_check_ok(pl_session_record(session, "solve all", false, NULL, "cancelled", NULL, &err), err);
    pl_session_close(session);
    session = opened(path); /* who stops it has ended it */
    assert_null(pl_session_cut_off(session));
    pl_session_close(session);
}

static void count_command(void *ctx, const pl_session_command *one)
{
    pl_buf *text = ctx;
    pl_buf_printf(text, "%s%s%s;", one->text,
                  one->ok ? "" : " failed: ", one->error != NULL ? one->error : "");
}

static void hands_its_newest_commands_on(void **unused)
{
    (void)unused;
    pl_error err = {0};
    pl_buf text = {0};
    pl_session *session = opened(in_folder("commands.planish"));
    record(session, "open", 1);
    record(session, "layers", -1);
    pl_check_ok(pl_session_record(session, "solve", false, NULL, "no", NULL, &err), err);
    pl_check_ok(pl_session_commands(session, 2, count_command, &text, &err), err);
    assert_string_equal(text.data, "layers;solve failed: no;");
    pl_buf_deinit(&text);
    pl_session_close(session);
}

static void check_solved(pl_session *session, const char *name)
{
    pl_error err = {0};
    json_t *state = NULL;
    pl_check_ok(pl_session_solved_state(session, &state, &err), err);
    assert_string_equal(json_string_value(json_object_get(state, "name")), name);
    json_decref(state);
}

static void record_state(pl_session *session, json_t *state)
{
    pl_error err = {0};
    pl_check_ok(pl_session_record(session, "x", true, NULL, NULL, state, &err), err);
    json_decref(state);
}

/* Looking at the model again does not hide what had been solved. */
static void finds_the_newest_state_with_solved_layers(void **unused)
{
    (void)unused;
    pl_session *session = opened(in_folder("solved.planish"));
    record_state(session, json_pack("{s:s, s:[]}", "name", "first", "solved"));
    check_solved(session, "first");
    record_state(session, json_pack("{s:s, s:[[s]]}", "name", "second", "solved", "q"));
    record_state(session, json_pack("{s:s, s:[]}", "name", "third", "solved"));
    check_solved(session, "second");
    /* What was cut off goes on in the state that it had begun in, whatever came behind. */
    pl_error err = {0};
    pl_check_ok(pl_session_begin(session, "solve all", &err), err);
    pl_session_close(session);
    session = opened(in_folder("solved.planish"));
    record_state(session, json_pack("{s:s, s:[[s]]}", "name", "fourth", "solved", "q"));
    check_solved(session, "third");
    pl_session_close(session);
}

static void names_the_session_of_a_model(void **unused)
{
    (void)unused;
    pl_error err = {0};
    char *old = getenv("XDG_STATE_HOME") != NULL ? strdup(getenv("XDG_STATE_HOME")) : NULL;
    char path[PATH_SIZE + 64];
    const pl_id print = {.high = 0x12345678abcdef00, .low = 9};
    setenv("XDG_STATE_HOME", folder, 1);
    pl_buf made = {0};
    pl_check_ok(pl_session_model_path("../My model (4 bit)", print, &made, &err), err);
    snprintf(path, sizeof path, "%s/planish/_._My_model__4_bit_-12345678.planish", folder);
    assert_string_equal(made.data, path);
    pl_buf_deinit(&made);
    /* The same model under another name. */
    pl_session_close(opened(path));
    pl_check_ok(pl_session_model_path("other", print, &made, &err), err);
    assert_string_equal(made.data, path);
    pl_buf_deinit(&made);
    if (old != NULL) {
        setenv("XDG_STATE_HOME", old, 1);
    } else {
        unsetenv("XDG_STATE_HOME");
    }
    free(old);
}

static void refuses_newer_and_foreign(void **unused)
{
    (void)unused;
    const char *path = in_folder("newer.planish");
    pl_session_close(opened(path));
    run_sql(path, "PRAGMA user_version = 7");
    check_refused(path, PL_ERR_UNSUPPORTED, "newer Planish (schema 7; this one knows up to 3)");

    path = in_folder("foreign.db");
    run_sql(path, "CREATE TABLE t(x); PRAGMA application_id = 4711");
    check_refused(path, PL_ERR_FORMAT, "another application's SQLite database");
    path = in_folder("anonymous.db");
    run_sql(path, "CREATE TABLE t(x)");
    check_refused(path, PL_ERR_FORMAT, "another application's SQLite database");
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    pl_error err = {0};
    pl_check_ok(pl_file_write_all(path, bytes, size, &err), err);
}

static void refuses_what_is_no_database(void **unused)
{
    (void)unused;
    char text[400];
    memset(text, 'x', sizeof text);
    const char *path = in_folder("text.planish");
    write_file(path, text, sizeof text);
    check_refused(path, PL_ERR_FORMAT, "not a Planish session (expected a SQLite database)");
    path = in_folder("short.planish");
    write_file(path, "SQLite format 3", 16);
    check_refused(path, PL_ERR_FORMAT, "not a Planish session (expected a SQLite database)");

    pl_error err = {0};
    pl_session *session = NULL;
    assert_int_equal(pl_session_open(folder, &session, &err), PL_ERR_IO);
    pl_check_says(err, "expected a regular file");

    path = in_folder("empty.planish"); /* as mktemp leaves it: a new session */
    write_file(path, "", 0);
    session = opened(path);
    record(session, "layers", 1);
    pl_session_close(session);
    check_sql(path, "PRAGMA application_id", "1349283443");
}

static void refuses_damage(void **unused)
{
    (void)unused;
    const char *path = in_folder("damaged.planish");
    pl_session *session = opened(path);
    for (int i = 0; i < 200; i++) {
        record(session, "a command of some length, so that there are several pages", i);
    }
    pl_session_close(session);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    expect_less(4 * 4096, st.st_size);

    assert_int_equal(truncate(path, st.st_size / 4096 / 2 * 4096), 0);
    check_refused(path, PL_ERR_FORMAT, "the session's file is damaged");

    /* Where opening would not look by itself: in the middle of the commands. */
    path = in_folder("overwritten.planish");
    session = opened(path);
    for (int i = 0; i < 300; i++) {
        record(session, "a command of some length, so that there are several pages", -1);
    }
    pl_session_close(session);
    char rubbish[3000];
    memset(rubbish, 0xa5, sizeof rubbish);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, 6 * 4096), (ssize_t)sizeof rubbish);
    close(fd);
    check_refused(path, PL_ERR_FORMAT, "the session's file is damaged");

    path = in_folder("headless.planish");
    pl_session_close(opened(path));
    run_sql(path, "UPDATE head SET state = 3");
    check_refused(path, PL_ERR_FORMAT, "its present state is missing");
    path = in_folder("orphan.planish");
    pl_session_close(opened(path));
    run_sql(path, "INSERT INTO states VALUES (1, 1, 1, '{}')");
    check_refused(path, PL_ERR_FORMAT, "its states do not follow one another");
    path = in_folder("tableless.planish");
    pl_session_close(opened(path));
    run_sql(path, "DROP TABLE states");
    check_refused(path, PL_ERR_FORMAT, "not the one that Planish makes (from \"table head");
    path = in_folder("notjson.planish");
    pl_session_close(opened(path));
    run_sql(path, "INSERT INTO states VALUES (1, NULL, 1, '{'); UPDATE head SET state = 1");
    session = opened(path);
    pl_error err = {0};
    json_t *state = NULL;
    assert_int_equal(pl_session_state(session, &state, &err), PL_ERR_FORMAT);
    assert_null(state);
    pl_check_says(err, "a state is not JSON");
    pl_session_close(session);
}

/* What two sessions on one file say, whoever opens the second one. */
static void check_second(const char *path)
{
    pl_error err = {0};
    pl_session *second = opened(path);
    assert_false(pl_session_is_kept(second));
    assert_non_null(strstr(pl_session_notice(second), "another program has this session open"));
    assert_int_equal(present(second), 1);
    assert_null(pl_session_cut_off(second)); /* it runs there just now */
    record(second, "here alone", 7);
    flush(second);
    assert_int_equal(present(second), 7);
    assert_int_equal(state_numbered(second, 1), 1);
    /* What is done in it can be kept elsewhere. */
    char other[PATH_SIZE + 64];
    snprintf(other, sizeof other, "%s", in_folder("elsewhere.planish"));
    remove(other);
    pl_check_ok(pl_session_write_as(second, other, &(pl_session_as){0}, &err), err);
    pl_session_close(second);
    second = opened(other);
    assert_true(pl_session_is_kept(second));
    assert_int_equal(present(second), 7);
    pl_session_close(second);
}

static void only_reads_a_session_that_is_open(void **unused)
{
    (void)unused;
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s", in_folder("open.planish"));
    pl_error err = {0};
    pl_session *session = opened(path);
    assert_true(pl_session_is_kept(session));
    record(session, "mine", 1);
    pl_check_ok(pl_session_begin(session, "solve all", &err), err);
    flush(session);
    check_second(path); /* of the same program */
    pid_t child = fork();
    if (child == 0) {
        /* As another program: what this one holds is not its own. */
        char *const args[] = {"test", (char *)(uintptr_t)path, NULL};
        execv("/proc/self/exe", args);
        _exit(99);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    record(session, "still mine", 2);
    flush(session);
    pl_session_close(session);
    session = opened(path);
    assert_true(pl_session_is_kept(session));
    assert_int_equal(present(session), 2);
    pl_session_close(session);
    check_sql(path, "SELECT group_concat(text) FROM commands", "mine,still mine");
}

/* Opens a path inside the folder, as nobody where the test is root's, whom no permission stops.
 * From inside, because nobody may be kept out further up. */
static int as_nobody(const char *path, char *message, size_t size)
{
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        pl_error err = {0};
        pl_session *session = NULL;
        if (chdir(folder) != 0 || (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))) {
            _exit(99);
        }
        pl_status status = pl_session_open(path, &session, &err);
        if (write(pipe_ends[1], err.message, strlen(err.message)) < 0) {
            _exit(98);
        }
        _exit((int)status);
    }
    close(pipe_ends[1]);
    size_t length = 0;
    ssize_t got = 0;
    while ((got = read(pipe_ends[0], message + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    message[length] = '\0';
    close(pipe_ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void refuses_where_nothing_can_be_written(void **unused)
{
    (void)unused;
    char message[PL_ERROR_TEXT];
    char locked[PATH_SIZE + 32];
    const char *path = in_folder("locked/old.planish");
    snprintf(locked, sizeof locked, "%s/locked", folder);
    pl_session_close(opened(path));
    chmod(folder, 0755);
    chmod(locked, 0555);
    assert_int_equal(as_nobody("locked/new.planish", message, sizeof message), PL_ERR_IO);
    assert_non_null(strstr(message, "new.planish: the session cannot be written"));
    assert_int_equal(as_nobody("locked/sub/new.planish", message, sizeof message), PL_ERR_IO);
    assert_non_null(strstr(message, "locked/sub"));
    chmod(in_folder("locked/old.planish"), 0444);
    assert_int_equal(as_nobody("locked/old.planish", message, sizeof message), PL_ERR_IO);
    assert_non_null(strstr(message, "old.planish: the session cannot be written"));
    chmod(locked, 0755);
}

static bool is_skipped(const char *command)
{
    return strcmp(command, "skip") == 0;
}

static void exports_a_script(void **unused)
{
    (void)unused;
    pl_error err = {0};
    char *text = NULL;
    size_t size = 0;
    char target[PATH_SIZE + 64];
    snprintf(target, sizeof target, "%s", in_folder("script.txt"));
    pl_session *session = opened(in_folder("export.planish"));
    pl_check_ok(pl_session_export(session, target, is_skipped, &err), err);
    pl_check_ok(pl_file_read_all(target, 1000, &text, &size, &err), err);
    assert_string_equal(text, "");
    free(text);
    record(session, "open 'a model'", 1);
    record(session, "skip", -1);
    pl_check_ok(pl_session_record(session, "sollve", false, NULL, "unknown command", NULL, &err),
                err);
    record(session, "skip=no # kept", -1);
    record(session, "solve all", 2);
    pl_check_ok(pl_session_export(session, target, is_skipped, &err), err);
    pl_check_ok(pl_file_read_all(target, 1000, &text, &size, &err), err);
    assert_string_equal(text, "open 'a model'\nskip=no # kept\nsolve all\n");
    free(text);
    assert_int_equal(pl_session_export(session, "/proc/nowhere/x", is_skipped, &err), PL_ERR_IO);
    pl_check_says(err, "/proc/nowhere/x");
    pl_session_close(session);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The bounds are ten times what a slow machine under a sanitizer takes. */
static void is_quick_with_ten_thousand_records(void **unused)
{
    (void)unused;
    const char *path = in_folder("long.planish");
    pl_session *session = opened(path);
    double start = seconds();
    for (int i = 0; i < 10000; i++) {
        record(session, "set beta=3e-4", i);
    }
    double recorded = seconds() - start;
    flush(session);
    double flushed = seconds() - start;
    pl_session_close(session);
    start = seconds();
    session = opened(path);
    double reopened = seconds() - start;
    assert_int_equal(present(session), 9999);
    assert_int_equal(state_numbered(session, 9999), 9998);
    pl_session_close(session);
    check_sql(path, "SELECT count(*) FROM commands", "10000");
    if (!(recorded < 5.0 && flushed < 10.0 && reopened < 5.0)) {
        fail_msg("10,000 records: %.2f s, on disk %.2f s, opened again in %.2f s", recorded,
                 flushed, reopened);
    }
}

/* The process ends between a flush and a close, with more on the way. */
static void survives_a_sudden_end(void **unused)
{
    (void)unused;
    const char *path = in_folder("killed.planish");
    pl_error err = {0};
    for (int round = 1; round <= 3; round++) {
        pid_t child = fork();
        if (child == 0) {
            pl_session *session = NULL;
            if (pl_session_open(path, &session, NULL) != PL_OK) {
                _exit(1);
            }
            for (int i = 1; i <= 100; i++) {
                json_t *state = json_pack("{s:i}", "n", 1000 * round + i);
                if (pl_session_record(session, "step", true, NULL, NULL, state, NULL) != PL_OK ||
                    (i == 60 && pl_session_flush(session, NULL) != PL_OK)) {
                    _exit(2);
                }
                json_decref(state);
            }
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        pl_session *session = opened(path);
        int n = present(session);
        assert_in_range(n, 1000 * round + 60, 1000 * round + 100);
        if (n > 1000 * round + 1) {
            int64_t id = 0; /* the states are whole up to there */
            pl_check_ok(pl_session_state_after(session, pl_session_count(session), &id, NULL, &err),
                        err);
            assert_int_equal(state_numbered(session, id), n);
            assert_int_equal(state_numbered(session, id - 1), n - 1);
        }
        pl_session_close(session);
    }
}

static void migrates_step_by_step(void **unused)
{
    (void)unused;
    static const pl_migration steps[] = {{"CREATE TABLE a(x); INSERT INTO a VALUES (1)"},
                                         {"ALTER TABLE a ADD COLUMN y DEFAULT 2"},
                                         {"INSERT INTO missing VALUES (1)"}};
    const char *path = in_folder("steps.db");
    pl_error err = {0};
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    pl_check_ok(pl_database_migrate(db, path, steps, 1, &err), err);
    pl_check_ok(pl_database_migrate(db, path, steps, 2, &err), err);
    pl_check_ok(pl_database_migrate(db, path, steps, 2, &err), err);
    assert_int_equal(pl_database_migrate(db, path, steps, 1, &err), PL_ERR_UNSUPPORTED);
    /* A step that fails leaves the old file whole. */
    assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pl_database_migrate(db, path, steps, 3, &err), PL_ERR_FORMAT);
    pl_check_says(err, "missing");
    sqlite3_close(db);
    check_sql(path, "SELECT x || '-' || y FROM a", "1-2");
    check_sql(path, "PRAGMA user_version", "2");
}

static void chooses_the_journal_by_file_system(void **unused)
{
    (void)unused;
    assert_string_equal(pl_database_journal(0xef53), "wal");                   /* ext4 */
    assert_string_equal(pl_database_journal(0x9123683e), "wal");               /* btrfs */
    assert_string_equal(pl_database_journal(0x6969), "truncate");              /* NFS */
    assert_string_equal(pl_database_journal(0xff534d42), "truncate");          /* CIFS */
    assert_string_equal(pl_database_journal(0xffffffffff534d42u), "truncate"); /* sign-extended */
}

static void finds_the_default_path(void **unused)
{
    (void)unused;
    pl_buf path = {0};
    char *old = getenv("HOME") != NULL ? strdup(getenv("HOME")) : NULL;
    setenv("XDG_STATE_HOME", "/x/state", 1);
    pl_session_default_path(&path);
    assert_string_equal(path.data, "/x/state/planish/last.planish");
    pl_buf_deinit(&path);
    path = (pl_buf){0};
    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", "/h", 1);
    pl_session_default_path(&path);
    assert_string_equal(path.data, "/h/.local/state/planish/last.planish");
    pl_buf_deinit(&path);
    unsetenv("XDG_STATE_HOME");
    if (old != NULL) {
        setenv("HOME", old, 1);
    }
    free(old);
}

/* With a path: the second program on it, for only_reads_a_session_that_is_open. */
static int second_program(const char *path)
{
    pl_error err = {0};
    pl_session *second = NULL;
    const bool good = pl_session_open(path, &second, &err) == PL_OK &&
                      !pl_session_is_kept(second) && present(second) == 1;
    pl_session_close(second);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return second_program(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creates_and_reopens),
        cmocka_unit_test(tells_what_was_cut_off),
        cmocka_unit_test(hands_its_newest_commands_on),
        cmocka_unit_test(finds_the_newest_state_with_solved_layers),
        cmocka_unit_test(names_the_session_of_a_model),
        cmocka_unit_test(refuses_newer_and_foreign),
        cmocka_unit_test(refuses_what_is_no_database),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(only_reads_a_session_that_is_open),
        cmocka_unit_test(refuses_where_nothing_can_be_written),
        cmocka_unit_test(exports_a_script),
        cmocka_unit_test(is_quick_with_ten_thousand_records),
        cmocka_unit_test(survives_a_sudden_end),
        cmocka_unit_test(migrates_step_by_step),
        cmocka_unit_test(chooses_the_journal_by_file_system),
        cmocka_unit_test(finds_the_default_path),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
