/* What is not lost: a run that is cut off goes on, and what would leave something behind or take
 * something away says so first. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define KEPT(...)                                                                                  \
    RUN("--json", "--threads", "1", "--store", "store", "--session", "s.planish", __VA_ARGS__)

static size_t entries_in(const char *folder)
{
    char command[1200], line[64] = "";
    snprintf(command, sizeof command, "find '%s' -type f 2>/dev/null | wc -l", folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    assert_int_equal(pclose(pipe), 0);
    return strtoul(line, NULL, 10);
}

/* Starts a run and kills it as soon as the store has so many results. */
static void run_and_kill(const char *script, size_t results)
{
    const char *const args[] = {"planish",   "--threads", "1",  "--store", "store",
                                "--session", "s.planish", "-c", script,    NULL};
    pid_t pid = 0;
    int status = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&pid, getenv("PLANISH_BIN"), &actions, NULL,
                                 (char *const *)(uintptr_t)args, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    while (entries_in("store/round") < results && waitpid(pid, &status, WNOHANG) == 0) {
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* kill -9 in the middle of `solve all`: the next run says so, and `resume` solves only the rest. */
static void test_a_cut_off_command_goes_on(void **ctx)
{
    (void)ctx;
    run_and_kill("method magr steps=400; method gptq bits=3; solve all", 3);
    const size_t before = entries_in("store/round");
    expect_less(before, 28);
    run r = KEPT("-c", "info");
    assert_non_null(strstr(r.err, "`solve all` was cut off; `resume` goes on with it"));
    run_free(&r);
    r = KEPT("-c", "resume");
    assert_int_equal(r.status, 0);
    const json_t *line = r.lines[0];
    assert_string_equal(json_string_value(json_object_get(line, "command")), "resume");
    assert_int_equal(json_array_size(json_object_get(run_last(&r), "layers")), 28);
    run_free(&r);
    assert_int_equal(entries_in("store/round"), 28); /* none was made twice */
    r = KEPT("-c", "layers");                        /* the session has it as its own */
    assert_string_equal(r.err, "");
    const json_t *layers = json_object_get(run_last(&r), "layers");
    for (size_t i = 0; i < 28; i++) {
        const json_t *method = json_object_get(json_array_get(layers, i), "method");
        assert_non_null(strstr(json_string_value(method), "gptq"));
    }
    run_free(&r);
    r = KEPT("-c", "resume");
    run_check_failed(&r, 1, "resume: no command of this session was cut off");
    run_free(&r);
}

static void test_export_says_what_is_left(void **ctx)
{
    (void)ctx;
    run r = RUN("--json", "--store", "store", "-c",
                "method rtn bits=3; solve 1.q_proj; export dir=partly");
    run_check_failed(&r, 1,
                     "27 of 28 layers are not quantized and would be as they were: `solve all` "
                     "first, or partial=yes");
    run_free(&r);
    assert_int_not_equal(access("partly", F_OK), 0);
    r = RUN("--json", "--store", "store", "-c",
            "method astro; solve all; export dir=no weights=rounded");
    run_check_failed(&r, 1, "28 of 28 layers are not quantized");
    run_free(&r);
    r = RUN("--json", "--store", "store", "-c",
            "method rtn bits=3; solve 1.q_proj; export dir=partly partial=yes");
    pl_check_close(run_number(run_last(&r), "layers_left"), 27, 0, 0);
    assert_string_equal(r.err, "");
    run_free(&r);
    r = RUN("--json", "--store", "store", "-c",
            "method rtn bits=3; activations bits=8; kv bits=8 group_size=16; solve all; "
            "export dir=whole");
    run_check_failed(&r, 1,
                     "export: quantized activations or cache are no part of a checkpoint, which "
                     "would have another perplexity: `activations none; kv none`, or online=drop");
    run_free(&r);
    assert_int_not_equal(access("whole", F_OK), 0);
    r = RUN("--json", "--store", "store", "-c",
            "method rtn bits=3; activations bits=8; kv bits=8 group_size=16; solve all; "
            "export dir=whole online=drop");
    pl_check_close(run_number(run_last(&r), "layers_left"), 0, 0, 0);
    assert_non_null(strstr(r.err, "what `activations bits=8"));
    assert_non_null(strstr(r.err, ";kv bits=8"));
    assert_non_null(strstr(r.err, "sets is not in the files"));
    run_free(&r);
    assert_int_equal(access("whole/generation_config.json", F_OK), 0);
    assert_int_not_equal(access("whole/calibration.txt", F_OK), 0);
}

static void test_a_figure_is_kept_where_that_is_asked_for(void **ctx)
{
    (void)ctx;
    run r = RUN("--json", "-c",
                "plot channels file=c.csv; plot channels file=c.csv; "
                "plot channels file=c.csv overwrite=yes");
    assert_int_equal(r.status, 0); /* a script that is run again works */
    run_free(&r);
    r = RUN("--json", "-c", "plot channels file=c.csv overwrite=no");
    run_check_failed(&r, 1, "plot: c.csv is there already; overwrite=yes replaces it");
    run_free(&r);
}

/* Where store and text are gone, the sentence has the command. */
static void test_a_lost_calibration_says_its_command(void **ctx)
{
    (void)ctx;
    char demo[1024], script[2048];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(demo, sizeof demo, "%s/sessions/demo", root != NULL ? root : ".");
    snprintf(script, sizeof script, "cp '%s/calibration.txt' text.txt", demo);
    assert_int_equal(system(script), 0);
    run r = RUN("--json", "--store", "lost", "--session", "lost.planish", demo, "-c",
                "calibrate text=text.txt length=128 windows=2");
    assert_int_equal(r.status, 0);
    run_free(&r);
    assert_int_equal(system("rm -rf lost"), 0);
    r = RUN("--json", "--store", "lost", "--session", "lost.planish", "-c", "solve 1.q_proj");
    assert_int_equal(r.status, 0); /* made again from its text */
    run_free(&r);
    assert_int_equal(system("rm -rf lost text.txt"), 0);
    r = RUN("--json", "--store", "lost", "--session", "lost.planish", "-c", "solve 1.k_proj");
    run_check_failed(&r, 1, "`calibrate text=FILE length=128 windows=2` makes it again");
    run_free(&r);
}

/* Sessions of older versions lie in the default folder, readable by all. */
/* The kernels of every processor with AVX2 add up an element of a product in another way at another
 * place of a tile, so that tiles that followed the threads would show here. */
static void test_a_calibration_is_the_same_on_any_number_of_threads(void **ctx)
{
    (void)ctx;
    static const char *const threads[] = {"1", "2", "5"};
    char *sums[3];
    if (!__builtin_cpu_supports("avx2")) {
        skip();
    }
    const char *asked = getenv("OPENBLAS_CORETYPE");
    char *before = asked != NULL ? strdup(asked) : NULL;
    setenv("OPENBLAS_CORETYPE", "Haswell", 1);
    for (size_t i = 0; i < 3; i++) {
        run r = RUN("--threads", threads[i], "--store", threads[i], "-c",
                    "calibrate windows=3 length=130");
        assert_int_equal(r.status, 0);
        run_free(&r);
        assert_true(entries_in(threads[i]) > 16);
        sums[i] = run_shell("cd '%s'/site && md5sum *", threads[i]);
        assert_string_equal(sums[i], sums[0]);
    }
    for (size_t i = 0; i < 3; i++) {
        free(sums[i]);
    }
    if (before != NULL) {
        setenv("OPENBLAS_CORETYPE", before, 1);
    } else {
        unsetenv("OPENBLAS_CORETYPE");
    }
    free(before);
}

static void test_sessions_are_listed_and_opened(void **ctx)
{
    (void)ctx;
    char state[1024], path[1100];
    struct stat st;
    snprintf(state, sizeof state, "%s", run_path("state"));
    setenv("XDG_STATE_HOME", state, 1);
    run r = RUN("-c", "sessions");
    assert_string_equal(r.out, "no session is kept yet\n");
    run_free(&r);
    /* A session with nothing in it has no day yet. */
    snprintf(path, sizeof path, "%s/planish/empty.planish", state);
    r = RUN("--json", "--session", path, "-c", "sessions");
    const json_t *empty = json_array_get(json_object_get(run_last(&r), "sessions"), 0);
    assert_string_equal(json_string_value(json_object_get(empty, "open")), "here");
    assert_true(json_is_null(json_object_get(empty, "when")));
    run_free(&r);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/planish/last.planish", state);
    r = RUN("--json", "--session", path, "-c",
            "method rtn bits=3; solve 2.q_proj; select 2.q_proj");
    assert_int_equal(r.status, 0);
    run_free(&r);
    assert_int_equal(chmod(path, 0644), 0);
    r = RUN("--json", "-c", "sessions");
    const json_t *one = json_array_get(json_object_get(run_last(&r), "sessions"), 0);
    run_check_keys(one, "number name model when solved open last path");
    assert_string_equal(json_string_value(json_object_get(one, "name")), "last");
    assert_string_equal(json_string_value(json_object_get(one, "model")), "demo");
    assert_string_equal(json_string_value(json_object_get(one, "last")), "select 2.q_proj");
    pl_check_close(run_number(one, "solved"), 1, 0, 0);
    run_free(&r);
    const char *const names[] = {"sessions open last", "sessions open 1"};
    for (size_t i = 0; i < 2; i++) {
        char script[64];
        snprintf(script, sizeof script, "%s; solve", names[i]);
        r = RUN("--json", "-c", script);
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, "2.self_attn.q_proj"));
        run_free(&r);
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    r = RUN("--json", "-c", "sessions open nosuch");
    run_check_failed(&r, 1, "sessions: no session is named \"nosuch\"; there are 1 last");
    run_free(&r);
    r = RUN("--json", "-c", "sessions close");
    run_check_failed(&r, 1,
                     "sessions: expected `sessions`, `sessions open NAME` (a name or a number");
    run_free(&r);
    unsetenv("XDG_STATE_HOME");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cut_off_command_goes_on),
        cmocka_unit_test(test_export_says_what_is_left),
        cmocka_unit_test(test_a_figure_is_kept_where_that_is_asked_for),
        cmocka_unit_test(test_a_lost_calibration_says_its_command),
        cmocka_unit_test(test_a_calibration_is_the_same_on_any_number_of_threads),
        cmocka_unit_test(test_sessions_are_listed_and_opened),
    };
    return cmocka_run_group_tests(tests, run_setup_inside, run_teardown);
}
