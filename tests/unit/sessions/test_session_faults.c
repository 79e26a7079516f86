/* What goes wrong around a session: a disk that is full, a death at any write, a file that somebody
 * else has had in hand. */
#include "tests/unit/sessions/session_files.h"

#include "core/base/rng.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* SQLite's own hook for system calls: what every write to a file does. */
static struct {
    int left; /* writes until it strikes; < 0: never */
    bool kill, full;
} writes = {.left = -1};

static void strike(void)
{
    if (writes.left > 0) {
        writes.left--;
    }
    if (writes.left == 0 && writes.kill) {
        raise(SIGKILL);
    }
}

static ssize_t counted_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    strike();
    if (writes.full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, bytes, size, offset);
}

static ssize_t counted_write(int fd, const void *bytes, size_t size)
{
    strike();
    if (writes.full) {
        errno = ENOSPC;
        return -1;
    }
    return write(fd, bytes, size);
}

static int counted_ftruncate(int fd, off_t size)
{
    strike();
    return ftruncate(fd, size);
}

static int counted_unlink(const char *path)
{
    strike();
    return unlink(path);
}

static void hook_writes(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int hooked = vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)counted_pwrite);
    hooked &= vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)counted_pwrite);
    hooked &= vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)counted_write);
    hooked &= vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)counted_ftruncate);
    hooked &= vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)counted_unlink);
    assert_int_equal(hooked, SQLITE_OK);
}

static void unhook_writes(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    writes.left = -1;
    writes.kill = writes.full = false;
    assert_int_equal(vfs->xSetSystemCall(vfs, NULL, NULL), SQLITE_OK);
}

static void keeps_what_cannot_be_written_yet(void **unused)
{
    (void)unused;
    const char *path = in_folder("full.planish");
    pl_session *session = opened(path);
    pl_error err = {0};
    hook_writes();
    record(session, "before", 1);
    flush(session);
    writes.full = true;
    pl_check_ok(pl_session_record(session, "x", true, NULL, NULL, NULL, &err), err);
    assert_int_equal(pl_session_flush(session, &err), PL_ERR_IO);
    pl_check_says(err, "full");
    /* The next record tells, and is kept. */
    assert_int_equal(pl_session_record(session, "after", true, NULL, NULL, NULL, &err), PL_ERR_IO);
    assert_int_equal(pl_session_flush(session, &err), PL_ERR_IO);
    assert_int_equal(present(session), 1);
    writes.full = false; /* there is room again */
    flush(session);
    unhook_writes();
    pl_session_close(session);
    check_sql(path, "SELECT group_concat(text) FROM commands", "before,x,after");
}

/* Killed at every write of its making, it can be opened afterwards. */
static void a_session_cut_off_in_the_making_can_be_opened(void **unused)
{
    (void)unused;
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s", in_folder("private/cut.planish"));
    bool killed = true;
    int rounds = 0;
    for (; killed; rounds++) {
        char command[PATH_SIZE + 100];
        snprintf(command, sizeof command, "rm -f '%s'*", path);
        assert_int_equal(system(command), 0);
        pid_t child = fork();
        if (child == 0) {
            pl_session *session = NULL;
            hook_writes();
            writes.left = rounds + 1;
            writes.kill = true;
            pl_status status = pl_session_open(path, &session, NULL);
            _exit(status == PL_OK ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        killed = WIFSIGNALED(status);
        assert_true(killed || status == 0);
        pl_session *session = opened(path);
        record(session, "first", 7);
        flush(session);
        pl_session_close(session);
        session = opened(path);
        assert_int_equal(present(session), 7);
        pl_session_close(session);
    }
    expect_less(8, rounds);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in_folder("private"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* What SQLite would run by itself, and what would shadow a table. */
static void refuses_a_planted_schema(void **unused)
{
    (void)unused;
    static const char *const planted[] = {
        "CREATE TRIGGER t AFTER INSERT ON commands BEGIN DELETE FROM states; END",
        "CREATE VIEW more AS SELECT * FROM commands",
        "CREATE TABLE more(x)",
        "CREATE INDEX i ON commands(text)",
        "DROP TABLE head",
        "ALTER TABLE states ADD COLUMN more DEFAULT (1)",
        "ALTER TABLE head RENAME TO tail; CREATE VIEW head AS SELECT * FROM tail",
        "PRAGMA user_version = 0",
    };
    static const char *const says[] = {"trigger t",   "view more", "table more", "index i",
                                       "table begun", "states",    "table tail", "commands"};
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        char name[32];
        char path[PATH_SIZE + 64];
        snprintf(name, sizeof name, "planted%zu.planish", i);
        snprintf(path, sizeof path, "%s", in_folder(name));
        pl_session *session = opened(path);
        record(session, "mine", 1);
        flush(session);
        pl_session_close(session);
        run_sql(path, planted[i]);
        size_t before_size = 0, after_size = 0;
        char *before = NULL, *after = NULL;
        pl_error err = {0};
        pl_check_ok(pl_file_read_all(path, 1 << 24, &before, &before_size, &err), err);
        session = NULL;
        assert_int_equal(pl_session_open(path, &session, &err), PL_ERR_FORMAT);
        assert_null(session);
        pl_check_says(err, "schema is not the one that Planish makes");
        pl_check_says(err, says[i]);
        pl_check_ok(pl_file_read_all(path, 1 << 24, &after, &after_size, &err), err);
        assert_int_equal(before_size, after_size);
        assert_memory_equal(before, after, before_size);
        free(before);
        free(after);
    }
}

/* Bytes changed anywhere: refused with a sentence, or a session that works. */
static void a_changed_file_is_refused_or_works(void **unused)
{
    (void)unused;
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s", in_folder("bytes.planish"));
    pl_session *session = opened(path);
    for (int i = 0; i < 30; i++) {
        record(session, "a command", i);
    }
    flush(session);
    pl_session_close(session);
    char *bytes = NULL;
    size_t size = 0;
    pl_error err = {0};
    pl_rng rng;
    pl_rng_init(&rng, 7);
    pl_check_ok(pl_file_read_all(path, 1 << 24, &bytes, &size, &err), err);
    int refused = 0;
    for (int round = 0; round < 80; round++) {
        char *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        for (int k = 0; k < 1 + round % 8; k++) {
            /* The first page twice as often as the others. */
            const size_t at = (size_t)pl_rng_below(&rng, round % 3 == 0 ? 200 : size);
            copy[at] = (char)pl_rng_below(&rng, 256);
        }
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(copy, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
        free(copy);
        err = (pl_error){0};
        session = NULL;
        pl_status status = pl_session_open(path, &session, &err);
        assert_int_equal(status == PL_OK, session != NULL);
        if (status == PL_OK) {
            json_t *state = NULL;
            status = pl_session_solved_state(session, &state, &err);
            json_decref(state);
            pl_session_close(session);
        }
        assert_true(status == PL_OK || err.message[0] != '\0');
        refused += status != PL_OK;
    }
    expect_less(20, refused);
    expect_less(refused, 80);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_cannot_be_written_yet),
        cmocka_unit_test(a_session_cut_off_in_the_making_can_be_opened),
        cmocka_unit_test(refuses_a_planted_schema),
        cmocka_unit_test(a_changed_file_is_refused_or_works),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
