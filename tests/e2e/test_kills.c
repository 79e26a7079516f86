/* Killed at random moments (SIGKILL): at most the command that ran is lost, nothing half-written is
 * trusted, and nothing in the making stays after the next start.
 *
 * Twelve rounds; a thousand where PLANISH_TEST_ALL is set, or as many as PLANISH_KILLS says. */
#include "tests/e2e/run_planish.h"

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/base/text.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Something of everything that is written: results, sessions, figures, folders, a branch. */
static const char *const commands[] = {
    "method astro beta=3e-4",
    "method rtn bits=3",
    "calibrate windows=1 length=128",
    "solve 0.q_proj",
    "plot histogram 0.q_proj file=h.png",
    "select 2.q_proj",
    "solve 1.k_proj",
    "layers top=3 file=l.csv",
    "branch b%d",
    "solve 2.v_proj",
    "export dir=exported partial=yes",
    "select 3.q_proj",
    "solve 3.up_proj",
};
enum { COMMANDS = sizeof commands / sizeof *commands, BRANCHES = 8, MOST = 32 };

static void put_script(int round, pl_buf *script)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        pl_buf_puts(script, i > 0 ? "; " : "");
        if (i == BRANCHES) {
            pl_buf_printf(script, "branch b%d", round);
        } else {
            pl_buf_puts(script, commands[i]);
        }
    }
    assert_false(script->failed);
}

/* A result without what says how it ran. */
static json_t *bare_result(const char *line)
{
    static const char *const of_run[] = {
        "seconds", "tokens_per_second", "peak_bytes", "stored", "layers_in_store",
        "session", "branch_of",         "step",       "path"};
    json_t *object = json_loads(line, 0, NULL);
    json_t *result = json_incref(json_object_get(object, "result"));
    for (size_t i = 0; i < sizeof of_run / sizeof *of_run; i++) {
        json_object_del(result, of_run[i]);
    }
    json_decref(object);
    return result;
}

/* Runs the script and kills it after so many milliseconds (< 0: never); the lines it printed to
 * lines[MOST], the caller's.  *killed: it had not ended by itself. */
static size_t run_and_kill(int round, int after_ms, char *lines[MOST], bool *killed)
{
    pl_buf script = {0};
    put_script(round, &script);
    const char *const args[] = {"planish", "--json",    "--threads", "1",
                                "--store", "store",     "--session", "k.planish",
                                "-c",      script.data, NULL};
    int ends[2], status = 0;
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&pid, getenv("PLANISH_BIN"), &actions, NULL,
                                 (char *const *)(uintptr_t)args, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    pl_buf out = {0};
    const double start = pl_clock_now();
    bool sent = false, open = true;
    while (open) {
        char piece[4096];
        const double left = after_ms - 1000 * (pl_clock_now() - start);
        if (after_ms >= 0 && !sent && left <= 0) {
            assert_int_equal(kill(pid, SIGKILL), 0);
            sent = true;
        }
        struct pollfd end = {.fd = ends[0], .events = POLLIN};
        const int wait = after_ms < 0 || sent ? -1 : (int)left + 1;
        if (poll(&end, 1, wait) > 0) {
            const ssize_t got = read(ends[0], piece, sizeof piece);
            open = got > 0;
            pl_buf_append(&out, piece, got > 0 ? (size_t)got : 0);
        }
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *killed = WIFSIGNALED(status);
    assert_true(*killed ? WTERMSIG(status) == SIGKILL : status == 0);
    size_t count = 0;
    char *rest = out.data;
    /* A line that was cut off was not printed. */
    for (char *end; rest != NULL && (end = strchr(rest, '\n')) != NULL; rest = end + 1) {
        *end = '\0';
        expect_less(count, MOST);
        lines[count++] = strdup(rest);
    }
    pl_buf_deinit(&out);
    pl_buf_deinit(&script);
    return count;
}

/* The texts of a session's commands behind the first `skip`; the number of them. */
static size_t recorded(const char *path, size_t skip, char *texts[MOST])
{
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    size_t count = 0;
    if (access(path, F_OK) != 0) {
        return 0;
    }
    /* In a copy, so that the next start finds what the killed one has left. */
    free(run_shell("rm -f copy.* && for f in '%s'*; do cp \"$f\" copy.\"${f##*.}\"; done", path));
    assert_int_equal(sqlite3_open("copy.planish", &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, "SELECT text FROM commands WHERE id > ? ORDER BY id", -1, &query,
                           NULL) == SQLITE_OK) {
        sqlite3_bind_int64(query, 1, (sqlite3_int64)skip);
        while (sqlite3_step(query) == SQLITE_ROW) {
            expect_less(count, MOST);
            texts[count++] = strdup((const char *)sqlite3_column_text(query, 0));
        }
    }
    sqlite3_finalize(query);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    free(run_shell("rm -f copy.*"));
    return count;
}

static void free_texts(char *texts[MOST], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
}

/* Of a branch that was opened again: what it shares with the trunk, and what it has alone. */
static void check_whole(const run *r, size_t alone)
{
    const json_t *log = json_object_get(run_last(r), "commands");
    expect_at_most(BRANCHES + alone, json_array_size(log));
}

/* What is recorded is what was printed, and at most one command more. */
static void check_recorded(int round, size_t before, size_t printed)
{
    char *texts[MOST], name[64];
    const size_t trunk = recorded("k.planish", before, texts);
    size_t all = trunk;
    snprintf(name, sizeof name, "branch b%d", round);
    for (size_t i = 0; i < trunk; i++) {
        assert_string_equal(texts[i], commands[i]);
    }
    free_texts(texts, trunk);
    if (trunk == BRANCHES) {
        char path[512];
        snprintf(path, sizeof path, "%s/.local/state/planish/b%d.planish", getenv("HOME"), round);
        /* It is there whole, or not at all: it has what the trunk has. */
        const size_t branch = recorded(path, before + BRANCHES, texts);
        for (size_t i = 0; i < branch; i++) {
            assert_string_equal(texts[i], i == 0 ? name : commands[BRANCHES + i]);
        }
        free_texts(texts, branch);
        all += branch;
        if (access(path, F_OK) == 0) { /* the log beside it is the branch's, until it is opened */
            run r =
                RUN("--json", "--threads", "1", "--store", "store", "--session", path, "-c", "log");
            check_whole(&r, branch);
            run_free(&r);
            remove(path);
        }
    }
    assert_in_range(all, printed, printed + 1);
}

/* A start that writes where the one before did, and ends: nothing is left over. */
static size_t check_next_start(void)
{
    run r = RUN("--json", "--threads", "1", "--store", "store", "--session", "k.planish", "-c",
                "layers top=1 file=l.csv; save; log");
    const size_t count = json_array_size(json_object_get(run_last(&r), "commands"));
    run_free(&r);
    char *left = run_shell("find . \"$HOME/.local\" -name '*.planish-[0-9a-f]*' -o "
                           "-name '*.planish-wal' -o -name '*.planish-shm'");
    assert_string_equal(left, "");
    free(left);
    free(run_shell("rm -rf exported h.png l.csv"));
    return count + 1; /* log itself */
}

static void test_kills_at_random_moments(void **ctx)
{
    (void)ctx;
    const char *asked = getenv("PLANISH_KILLS");
    const int rounds = asked != NULL ? atoi(asked) : getenv("PLANISH_TEST_ALL") != NULL ? 1000 : 12;
    char *lines[MOST], *reference[MOST];
    bool killed = false;
    pl_rng rng;
    int kills = 0, by_printed[MOST] = {0};
    pl_rng_init(&rng, 20);
    double start = pl_clock_now();
    assert_int_equal(run_and_kill(0, -1, reference, &killed), COMMANDS);
    double whole = 1000 * (pl_clock_now() - start);
    size_t before = check_next_start();
    for (int round = 1; round <= rounds; round++) {
        if (pl_rng_below(&rng, 3) == 0) {
            free(run_shell("rm -rf store")); /* so that results are written, not only read */
        }
        const int moment = (int)pl_rng_below(&rng, (uint64_t)whole + 1);
        start = pl_clock_now();
        const size_t printed = run_and_kill(round, moment, lines, &killed);
        if (!killed) { /* it was faster than the one that was measured */
            whole = 0.9 * whole + 0.1 * 1000 * (pl_clock_now() - start);
        }
        kills += killed;
        by_printed[printed]++;
        for (size_t i = 0; i < printed; i++) { /* what the killed ones left in the store is sound */
            json_t *now = bare_result(lines[i]), *then = bare_result(reference[i]);
            if (!json_equal(now, then)) {
                fail_msg("round %d, killed after %d ms: %s\nonce it was %s", round, moment,
                         lines[i], reference[i]);
            }
            json_decref(now);
            json_decref(then);
        }
        free_texts(lines, printed);
        check_recorded(round, before, printed);
        before = check_next_start();
    }
    free_texts(reference, COMMANDS);
    expect_less(rounds / 3, kills);
    if (rounds > 12) {
        printf("%d rounds, %d killed; by commands printed:", rounds, kills);
        for (int i = 0; i <= COMMANDS; i++) {
            printf(" %d", by_printed[i]);
        }
        printf("\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kills_at_random_moments),
    };
    return cmocka_run_group_tests(tests, run_setup_inside, run_teardown);
}
