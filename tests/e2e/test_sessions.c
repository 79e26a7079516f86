/* Sessions that lie: of a model that was replaced, or with other layers' results. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"
#include "core/base/text.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const parts[] = {"config.json",    "model.safetensors",
                                    "tokenizer.json", "calibration.txt",
                                    "evaluation.txt", "tokenizer_config.json"};

/* A copy of the demo's model in a folder of the test's own. */
static void copy_demo(const char *to)
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    pl_error err;
    pl_check_ok(pl_file_make_dirs(to, &err), err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char path[1200], target[1200];
        size_t size = 0;
        snprintf(path, sizeof path, "%s/sessions/demo/%s", root != NULL ? root : ".", parts[i]);
        snprintf(target, sizeof target, "%s/%s", to, parts[i]);
        if (access(path, R_OK) == 0) {
            char *bytes = run_read(path, &size);
            pl_check_ok(pl_file_write_all(target, bytes, size, &err), err);
            free(bytes);
        }
    }
}

/* Other weights in the same file, which keeps its name, size and times. */
static void change_weights(const char *folder)
{
    char path[1200];
    struct stat before;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_int_equal(stat(path, &before), 0);
    int fd = open(path, O_RDWR);
    expect_at_most(0, fd);
    const off_t end = before.st_size;
    for (off_t at = end / 2 + 1; at < end; at += 1000) { /* a mantissa's bit of an element */
        unsigned char byte = 0;
        assert_int_equal(pread(fd, &byte, 1, at & ~(off_t)1), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, at & ~(off_t)1), 1);
    }
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(close(fd), 0);
}

static void check_methods(const run *r, const char *method)
{
    const json_t *layers = json_object_get(run_last(r), "layers");
    assert_int_equal(json_array_size(layers), 28);
    for (size_t i = 0; i < 28; i++) {
        const char *found = json_string_value(json_object_get(json_array_get(layers, i), "method"));
        assert_non_null(found);
        assert_string_equal(found, method);
    }
}

#define OPEN(...)                                                                                  \
    RUN("--json", "--threads", "1", "--store", run_path("store"), "--session", session, __VA_ARGS__)

static void test_a_replaced_model_is_named_and_its_results_are_not_used(void **ctx)
{
    (void)ctx;
    char model[1024], session[1024], script[4096], measure[2048], export[2048];
    snprintf(model, sizeof model, "%s", run_path("model"));
    snprintf(session, sizeof session, "%s", run_path("replaced.planish"));
    snprintf(measure, sizeof measure, "perplexity text=%s/evaluation.txt which=after windows=2",
             model);
    snprintf(script, sizeof script,
             "calibrate text=%s/calibration.txt windows=2; method rtn bits=3; solve all; save; %s",
             model, measure);
    snprintf(export, sizeof export, "export dir=%s", run_path("exported"));
    copy_demo(model);
    run r = OPEN(model, "-c", script);
    const double first = run_number(run_last(&r), "perplexity");
    run_free(&r);

    /* The same bytes, moved: nothing was lost. */
    char moved[1100];
    snprintf(moved, sizeof moved, "%s.old", model);
    assert_int_equal(rename(model, moved), 0);
    copy_demo(model);
    r = OPEN("-c", measure);
    expect_close(run_number(run_last(&r), "perplexity"), first, 0);
    assert_string_equal(r.err, "");
    run_free(&r);

    change_weights(model);
    r = OPEN("-c", "layers");
    check_methods(&r, "of another model");
    assert_non_null(strstr(r.err, "28 results of the session are of another model and not used"));
    run_free(&r);
    const char *const refused[] = {measure, export, "dump weights 1.k_proj which=after file=x.npy"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        r = OPEN("-c", refused[i]);
        run_check_failed(&r, 1, "of another model");
        run_free(&r);
    }
    assert_int_not_equal(access(run_path("exported"), F_OK), 0);
    /* The calibration was the other model's, too. */
    r = OPEN("-c", "method gptq; solve"); /* rtn needs none */
    assert_non_null(strstr(r.err, "calibrate"));
    assert_int_equal(r.status, 1);
    run_free(&r);

    r = OPEN("-c", script);
    const double second = run_number(run_last(&r), "perplexity");
    expect_less(0, fabs(second - first));
    run_free(&r);
    r = OPEN("-c", "layers");
    check_methods(&r, "rtn");
    assert_string_equal(r.err, "");
    run_free(&r);

    /* The config is part of the model, too. */
    char path[1200];
    snprintf(path, sizeof path, "%s/config.json", model);
    char *config = run_read(path, NULL);
    char *theta = strstr(config, "\"rope_theta\": 1");
    assert_non_null(theta);
    theta[strlen("\"rope_theta\": ")] = '2';
    run_write(path, config);
    free(config);
    r = OPEN("-c", measure);
    run_check_failed(&r, 1, "of another model");
    run_free(&r);
}

/* --- hostile ones ----------------------------------------------------------------------------- */

static void query(const char *path, const char *sql, const char *bound, char **out)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (bound != NULL) {
        sqlite3_bind_text(statement, 1, bound, -1, SQLITE_STATIC);
    }
    if (sqlite3_step(statement) == SQLITE_ROW && out != NULL) {
        *out = strdup((const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static json_t *entry_of(json_t *state, const char *layer)
{
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(state, "solved"), index, item)
    {
        if (strstr(json_string_value(json_array_get(item, 0)), layer) != NULL) {
            return item;
        }
    }
    fail();
    return NULL;
}

/* Gives a layer the result of another one in the session's present state. */
static void swap_result(const char *session, const char *to, const char *from)
{
    char *text = NULL;
    query(session, "SELECT json FROM states WHERE id = (SELECT state FROM head)", NULL, &text);
    assert_non_null(text);
    json_t *state = json_loads(text, 0, NULL);
    assert_non_null(state);
    free(text);
    assert_int_equal(
        json_array_set(entry_of(state, to), 2, json_array_get(entry_of(state, from), 2)), 0);
    text = json_dumps(state, JSON_COMPACT);
    query(session, "UPDATE states SET json = ? WHERE id = (SELECT state FROM head)", text, NULL);
    free(text);
    json_decref(state);
}

static void test_another_layers_result_is_named_with_both_shapes(void **ctx)
{
    (void)ctx;
    char session[1024];
    snprintf(session, sizeof session, "%s", run_path("hostile.planish"));
    run r = OPEN("-c", "method astro; method rtn bits=3; solve all; save");
    run_free(&r);
    swap_result(session, "0.self_attn.k_proj", "0.mlp.down_proj");
    char export[1100];
    snprintf(export, sizeof export, "export dir=%s", run_path("hostile"));
    const char *const refused[] = {"dump weights 0.k_proj which=after file=x.npy",
                                   "dump weights 0.k_proj which=preconditioned file=x.npy",
                                   "perplexity which=after windows=1", export,
                                   "plot channels 0.k_proj file=x.png"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        r = OPEN("-c", refused[i]);
        run_check_failed(&r, 1, "0.self_attn.k_proj [48, 144]");
        run_check_failed(&r, 1, "0.mlp.down_proj [144, 400]");
        run_free(&r);
    }
    /* The rest of the session works, and the cure does. */
    r = OPEN("-c", "dump weights 0.down_proj which=after file=x.npy; layers; solve 0.k_proj; "
                   "perplexity which=after windows=1");
    assert_int_equal(r.status, 0);
    run_free(&r);
}

/* --- sudden ends ------------------------------------------------------------------------------ */

extern char **environ;

/* Runs a script of lines, sends the signal when so many lines are out, and returns how many were
 * in all.  Its end must be that signal's. */
static size_t interrupt(const char *session, const char *script, size_t after, int signo)
{
    const char *program = getenv("PLANISH_BIN");
    const char *const args[] = {
        "planish",   "--json", "--threads", "1",    "--store", run_path("store"),
        "--session", session,  "-c",        script, NULL};
    int ends[2], status = 0;
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, run_path("stderr"), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    assert_int_equal(
        posix_spawn(&pid, program, &actions, NULL, (char *const *)(uintptr_t)args, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t lines = 0;
    char piece[4096];
    ssize_t count = 0;
    bool sent = false;
    while ((count = read(ends[0], piece, sizeof piece)) > 0) {
        for (ssize_t i = 0; i < count; i++) {
            lines += piece[i] == '\n';
        }
        if (!sent && lines >= after) {
            assert_int_equal(kill(pid, signo), 0);
            sent = true;
        }
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signo);
    return lines;
}

static void check_recorded(const char *session, size_t printed)
{
    char *count = NULL;
    query(session, "SELECT count(*) FROM commands", NULL, &count);
    assert_non_null(count);
    assert_in_range(strtoul(count, NULL, 10), printed, printed + 1);
    free(count);
    run r = OPEN("-c", "save"); /* it is whole */
    assert_int_equal(r.status, 0);
    run_free(&r);
}

static void test_what_was_printed_is_in_the_session(void **ctx)
{
    (void)ctx;
    static const int signals[] = {SIGKILL, SIGINT, SIGTERM, SIGHUP};
    pl_buf script = {0};
    for (int i = 0; i < 120; i++) {
        pl_buf_printf(&script, "select %d.%c_proj;", i % 4, "qkvo"[i % 3]);
    }
    /* However fast it is, it does not end before its signal. */
    pl_buf_puts(&script, "method flatquant steps=5000; method rtn; solve all");
    assert_false(script.failed);
    for (size_t s = 0; s < sizeof signals / sizeof *signals; s++) {
        static const size_t after[] = {1, 40, 119};
        for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
            char session[1024], name[64];
            snprintf(name, sizeof name, "killed%zu-%zu.planish", s, i);
            snprintf(session, sizeof session, "%s", run_path(name));
            const size_t printed = interrupt(session, script.data, after[i], signals[s]);
            expect_at_most(after[i], printed);
            char *said = run_read(run_path("stderr"), NULL);
            assert_int_equal(
                strstr(said, "planish: interrupted; results that were finished are kept") != NULL,
                signals[s] != SIGKILL);
            free(said);
            check_recorded(session, printed);
        }
    }
    pl_buf_deinit(&script);
}

/* Whom nohup or a script's & keeps a signal from is not interrupted by it. */
static void test_an_ignored_signal_stays_ignored(void **ctx)
{
    (void)ctx;
    signal(SIGHUP, SIG_IGN);
    char session[1024];
    snprintf(session, sizeof session, "%s", run_path("nohup.planish"));
    run r = OPEN("-c", "select 1.q_proj; info");
    assert_int_equal(r.status, 0);
    run_free(&r);
    pl_buf command = {0};
    pl_buf_printf(&command,
                  "'%s' --store '%s' -c 'calibrate windows=3' >out.txt & "
                  "p=$!; sleep 0.1; kill -HUP $p; wait $p",
                  getenv("PLANISH_BIN"), run_path("other-store"));
    assert_false(command.failed);
    assert_int_equal(system(command.data), 0);
    pl_buf_deinit(&command);
    signal(SIGHUP, SIG_DFL);
}

/* Several runs on one empty store, each writing what the others do: all end well, with one result,
 * and what they leave is whole. */
static void test_several_programs_share_a_store(void **ctx)
{
    (void)ctx;
    static const char shared[] =
        "'%s' --threads 1 --json --store shared -c 'calibrate windows=2; method astro; "
        "method gptq bits=3; solve all; perplexity which=after windows=2' >%d.out 2>%d.err & ";
    pl_buf command = {0};
    for (int i = 0; i < 4; i++) {
        pl_buf_printf(&command, shared, getenv("PLANISH_BIN"), i, i);
    }
    pl_buf_puts(&command, "wait");
    assert_false(command.failed);
    assert_int_equal(system(command.data), 0);
    pl_buf_deinit(&command);
    double first = 0;
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.err", i);
        char *said = run_read(name, NULL);
        assert_string_equal(said, "");
        free(said);
        snprintf(name, sizeof name, "%d.out", i);
        char *out = run_read(name, NULL);
        out[strlen(out) - 1] = '\0';
        json_t *line = json_loads(strrchr(out, '\n') + 1, 0, NULL);
        const double now =
            json_number_value(json_object_get(json_object_get(line, "result"), "perplexity"));
        first = i == 0 ? now : first;
        expect_less(1.0, now);
        expect_close(now, first, 0);
        json_decref(line);
        free(out);
    }
    run r = RUN("--json", "--threads", "1", "--store", "shared", "-c",
                "calibrate windows=2; method astro; method gptq bits=3; solve all; "
                "perplexity which=after windows=2");
    expect_close(run_number(run_last(&r), "perplexity"), first, 0);
    assert_string_equal(r.err, "");
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_replaced_model_is_named_and_its_results_are_not_used),
        cmocka_unit_test(test_another_layers_result_is_named_with_both_shapes),
        cmocka_unit_test(test_what_was_printed_is_in_the_session),
        cmocka_unit_test(test_an_ignored_signal_stays_ignored),
        cmocka_unit_test(test_several_programs_share_a_store),
    };
    return cmocka_run_group_tests(tests, run_setup_inside, run_teardown);
}
