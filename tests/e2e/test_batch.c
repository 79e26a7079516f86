/* The batch front: grammar, exit statuses, sessions, what stops and what is said. */
#include "tests/e2e/run_planish.h"

#include <stdlib.h>
#include <unistd.h>

static const char *command_of(const run *r, size_t i)
{
    expect_less(i, r->n_lines);
    return json_string_value(json_object_get(r->lines[i], "command"));
}

static const char *code_of(const run *r)
{
    const json_t *error = json_object_get(r->lines[r->n_lines - 1], "error");
    return json_string_value(json_object_get(error, "code"));
}

static void test_one_object_a_command(void **ctx)
{
    (void)ctx;
    run r = run_demo(" info ;; # a comment; layers\n probe 'a;b # c'\n;select  0.k_proj;");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n_lines, 3);
    assert_string_equal(command_of(&r, 0), "info");
    assert_string_equal(command_of(&r, 1), "probe 'a;b # c'");
    assert_string_equal(command_of(&r, 2), "select  0.k_proj");
    assert_string_equal(r.err, "");
    run_free(&r);
    r = run_demo("");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n_lines, 0);
    run_free(&r);
    r = run_demo("info; quit; layers");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n_lines, 2);
    run_free(&r);
}

static void test_model_is_reported_as_open(void **ctx)
{
    (void)ctx;
    run r = RUN("-c", "info", run_demo_folder(), "--json");
    assert_int_equal(r.n_lines, 2);
    assert_string_equal(command_of(&r, 0), "open");
    run_check_keys(run_result(&r, 0), "architecture blocks hidden_size vocab_size parameters "
                                      "file_bytes seconds");
    run_free(&r);
}

static void test_first_failure_stops(void **ctx)
{
    (void)ctx;
    run r = run_demo("info; select no.such; layers");
    run_check_failed(&r, 1, "no.such");
    assert_int_equal(r.n_lines, 2);
    assert_string_equal(command_of(&r, 1), "select no.such");
    assert_string_equal(code_of(&r), "not_found");
    run_free(&r);
    r = RUN("-c", "info; outliers top=many; layers");
    run_check_failed(&r, 1, "planish: outliers: top=many: expected a whole number");
    assert_non_null(strstr(r.out, "architecture"));
    assert_null(strstr(r.out, "weight_max"));
    run_free(&r);
}

static void check_usage(const char *script, const char *says)
{
    run r = run_demo(script);
    run_check_failed(&r, 2, says);
    assert_int_equal(r.n_lines, 1);
    assert_string_equal(code_of(&r), "usage");
    run_free(&r);
}

static void test_unknown_names_are_exit_2(void **ctx)
{
    (void)ctx;
    check_usage("frobnicate; info", "unknown command \"frobnicate\"");
    check_usage("perplexty", "`perplexity`");
    check_usage("info x=1", "info: unknown key \"x\"");
    check_usage("method gptq bit=3", "unknown key \"bit\"");
    check_usage("probe 'never", "unclosed quote");
    check_usage("plot file=a.png channels", "positional words come first");
    run r = RUN("--jso", "-c", "info");
    run_check_failed(&r, 2, "unknown option --jso");
    assert_string_equal(r.out, "");
    run_free(&r);
    r = RUN("-c");
    run_check_failed(&r, 2, "-c: needs a value");
    run_free(&r);
    r = RUN("a", "b", "-c", "info");
    run_check_failed(&r, 2, "a second model");
    run_free(&r);
}

static void test_bad_models_are_exit_1(void **ctx)
{
    (void)ctx;
    run r = RUN("--json", run_path("absent"), "-c", "info");
    run_check_failed(&r, 1, "absent");
    assert_int_equal(r.n_lines, 1);
    assert_string_equal(command_of(&r, 0), "open");
    run_free(&r);
    run_write(run_path("broken.safetensors"), "this is no checkpoint");
    r = RUN("--json", run_path("broken.safetensors"), "-c", "info");
    run_check_failed(&r, 1, "broken.safetensors");
    run_free(&r);
    r = RUN("--json", "nobody/nothing", "-c", "info");
    run_check_failed(&r, 1, "nobody/nothing");
    run_free(&r);
    r = RUN("--json", "-c", "open /dev/null");
    run_check_failed(&r, 1, "/dev/null");
    run_free(&r);
}

static void test_batch_files(void **ctx)
{
    (void)ctx;
    run_write(run_path("script"), "# a script\r\ninfo\r\n\n  select 0.o_proj ; select 0.q_proj\n"
                                  "probe 'two\nlines'");
    run r = RUN("--json", "--batch", run_path("script"));
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n_lines, 4);
    assert_string_equal(command_of(&r, 3), "probe 'two\nlines'");
    run_free(&r);
    r = RUN("--json", "--batch", run_path("script"), "-c", "select 1.o_proj");
    assert_int_equal(r.n_lines, 5);
    assert_string_equal(command_of(&r, 0), "select 1.o_proj");
    run_free(&r);
    r = RUN("--batch", run_path("no-script"));
    run_check_failed(&r, 1, "no-script");
    run_free(&r);
}

static json_int_t line_of(const run *r, size_t i)
{
    expect_less(i, r->n_lines);
    return json_integer_value(json_object_get(json_object_get(r->lines[i], "error"), "line"));
}

/* An error names the script and the line in it where its command begins. */
static void test_errors_name_their_line(void **ctx)
{
    (void)ctx;
    char place[1100];
    const char *script = run_path("mid.pl");
    run_write(script, "\xef\xbb\xbfinfo # the first\nprobe 'two\nlines'; \\\n  nonsense\n"
                      "select 9.q_proj; select\n\n# behind\nframes 'never");
    snprintf(place, sizeof place, "%s:4: unknown command \"nonsense\"", script);
    run r = RUN("--json", "--batch", script);
    run_check_failed(&r, 2, "unknown command");
    assert_non_null(strstr(r.err, place));
    assert_int_equal(line_of(&r, 2), 4);
    run_free(&r);
    r = RUN("--json", "--keep-going", "--batch", script);
    assert_int_equal(r.n_lines, 6);
    static const json_int_t lines[] = {0, 0, 4, 5, 5, 8};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(line_of(&r, i), lines[i]);
    }
    snprintf(place, sizeof place, "%s:8: unclosed quote", script);
    assert_non_null(strstr(r.err, place));
    run_free(&r);
    r = RUN("--json", "-c", "info;\nnonsense");
    run_check_failed(&r, 2, "unknown command");
    assert_non_null(strstr(r.err, "planish: unknown command"));
    assert_null(json_object_get(json_object_get(r.lines[1], "error"), "line"));
    run_free(&r);
}

static void test_demo_calibrates_itself_and_others_ask(void **ctx)
{
    (void)ctx;
    run r = RUN("--json", "--store", run_path("fresh"), "-c", "outliers 1.down_proj top=1");
    const json_t *channels = json_object_get(run_last(&r), "channels");
    expect_close(run_number(json_array_get(channels, 0), "channel"), 157, 0);
    run_free(&r);
    static const char *const scripts[] = {
        "outliers",
        "method astro; solve",
        "method gptq; solve all",
        "dump gram file=x.npy",
        "plot channels side=input file=x.png",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        r = RUN("--json", run_demo_folder(), "-c", scripts[i]);
        run_check_failed(&r, 1, "`calibrate");
        assert_string_equal(code_of(&r), "state");
        run_free(&r);
    }
    r = RUN("--json", run_demo_folder(), "-c", "calibrate");
    run_check_failed(&r, 1, "text=FILE");
    run_free(&r);
    r = run_demo("perplexity which=after");
    run_check_failed(&r, 1, "`solve all`");
    run_free(&r);
    r = run_demo("method none slot=precondition; method none slot=round; solve");
    run_check_failed(&r, 1, "`method astro`");
    run_free(&r);
}

/* What nobody names is astro, then gptq, as on the screen, and said; the first method that is named
 * takes its place whole, `none` takes from it. */
static void test_one_default(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *same_as;
        bool warned;
    } cases[] = {
        {"solve", "method astro; method gptq; solve", true},
        {"method rtn; solve", "method astro; method none slot=precondition; method rtn; solve",
         false},
        {"method none slot=precondition; solve", "method gptq; solve", false},
        {"method rtn on=*.q_proj; solve", "method rtn; solve", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run a = run_demo(cases[i].script), b = run_demo(cases[i].same_as);
        static const char *const numbers[] = {"relative_error", "rounded_relative_error"};
        for (size_t k = 0; k < 2; k++) {
            pl_check_close(run_number(run_last(&a), numbers[k]),
                           run_number(run_last(&b), numbers[k]), 0, 0);
        }
        assert_int_equal(strstr(a.err, "no method was named") != NULL, cases[i].warned);
        run_free(&a);
        run_free(&b);
    }
    /* A session keeps that nobody has named one, and that somebody has emptied the slots. */
    run r = RUN("--json", "--session", run_path("default.planish"), "-c", "select 1.q_proj");
    run_free(&r);
    r = RUN("--json", "--session", run_path("default.planish"), "-c", "method rtn; solve");
    pl_check_close(run_number(run_last(&r), "relative_error"), 0, 0, 0);
    run_free(&r);
    r = RUN("--json", "--session", run_path("default.planish"), "-c", "method none slot=round");
    run_free(&r);
    r = RUN("--json", "--session", run_path("default.planish"), "-c", "solve");
    run_check_failed(&r, 1, "`method astro`");
    run_free(&r);
}

static void test_sessions(void **ctx)
{
    (void)ctx;
    char first[2048];
    const char *file = run_path("work.planish");
    char session[1024];
    snprintf(session, sizeof session, "%s", file);
    snprintf(first, sizeof first,
             "calibrate text='%s/calibration.txt' windows=2; select 1.down_proj; method rtn bits=3;"
             "solve; save",
             run_demo_folder());
    run r = RUN("--json", "--session", session, run_demo_folder(), "-c", first);
    assert_int_equal(r.n_lines, 6);
    run_check_keys(run_last(&r), "");
    run_free(&r);
    assert_int_equal(access(session, R_OK), 0);

    /* Its model opens by itself; selection, calibration, methods and results are there. */
    r = RUN("--json", "--session", session, "-c",
            "info; outliers top=1; perplexity text=nowhere which=after");
    run_check_failed(&r, 1, "nowhere");
    assert_int_equal(r.n_lines, 3);
    const json_t *result = json_object_get(r.lines[1], "result");
    const json_t *row = json_array_get(json_object_get(result, "channels"), 0);
    expect_close(run_number(row, "channel"), 157, 0);
    run_free(&r);
    char after[1100];
    snprintf(after, sizeof after, "perplexity text='%s/evaluation.txt' which=after windows=2",
             run_demo_folder());
    r = RUN("--json", "--session", session, "-c", after);
    expect_less(0, run_number(run_last(&r), "kl_mean"));
    run_free(&r);

    /* A named model comes before the session's. */
    r = RUN("--json", "--session", session, run_demo_folder(), "-c", "outliers top=1");
    run_check_failed(&r, 1, "`calibrate");
    run_free(&r);

    r = RUN("-c", "save");
    run_check_failed(&r, 1, "--session FILE");
    run_free(&r);
    run_write(run_path("text.planish"), "no session at all, only a text file that lies here");
    r = RUN("--session", run_path("text.planish"), "-c", "info");
    run_check_failed(&r, 1, "text.planish");
    run_free(&r);
    /* No run without --session has touched one. */
    assert_int_not_equal(access(run_path(".local/state/planish"), F_OK), 0);
}

static void test_demo_session(void **ctx)
{
    (void)ctx;
    char session[1024];
    snprintf(session, sizeof session, "%s", run_path("new/folder/demo.planish"));
    run r = RUN("--session", session, "-c", "method gptq bits=3; select 2.up_proj; solve");
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = RUN("--json", "--session", session, "-c",
            "perplexity which=after windows=1; select 2.up_proj");
    assert_int_equal(r.n_lines, 2);
    expect_less(0, run_number(run_result(&r, 0), "kl_mean"));
    run_free(&r);
}

/* What a session names holds from any working folder. */
static void test_session_from_another_folder(void **ctx)
{
    (void)ctx;
    char session[1024];
    snprintf(session, sizeof session, "%s", run_path("moved.planish"));
    assert_int_equal(chdir(run_demo_folder()), 0);
    run r = RUN("--session", session, "./", "-c", "calibrate text=calibration.txt windows=1");
    assert_int_equal(r.status, 0);
    run_free(&r);
    assert_int_equal(chdir("/"), 0);
    r = RUN("--json", "--session", session, "-c", "method rtn; solve all sequential=yes");
    expect_less(0, run_number(run_last(&r), "rounded_relative_error"));
    run_free(&r);
}

static void test_for_people(void **ctx)
{
    (void)ctx;
    run r = RUN("-c", "info; layers; help");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "architecture           llama\n"));
    assert_non_null(strstr(r.out, "model.layers.3.mlp.down_proj"));
    assert_non_null(strstr(r.out, "perplexity"));
    assert_string_equal(r.err, "");
    run_free(&r);
    r = RUN("--version");
    assert_int_equal(r.status, 0);
    assert_int_equal(strncmp(r.out, "planish ", 8), 0);
    run_free(&r);
    r = RUN("--help");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "--session FILE"));
    assert_non_null(strstr(r.out, "\nexit status: 0 all succeeded; 1 "));
    run_free(&r);
}

/* One thread or two: the program obeys, and the same count gives the same numbers. */
static void test_limits_are_obeyed(void **ctx)
{
    (void)ctx;
    double objective[2];
    for (int i = 0; i < 2; i++) {
        run r = RUN("--json", "--threads", "1", "--memory", "512M", "--store",
                    run_path(i == 0 ? "one" : "two"), "-c", "method astro; solve 1.down_proj");
        objective[i] = run_number(run_last(&r), "objective");
        run_free(&r);
    }
    pl_check_close(objective[0], objective[1], 0, 0);
    run r = RUN("--json", "--memory", "lots", "-c", "info");
    run_check_failed(&r, 2, "--memory lots");
    run_free(&r);
}

static void test_a_full_disk_is_noticed(void **ctx)
{
    (void)ctx;
    char command[2400];
    const char *program = getenv("PLANISH_BIN");
    if (program == NULL || access("/dev/full", W_OK) != 0) {
        skip();
    }
    snprintf(command, sizeof command, "'%s' --store '%s' --json -c info >/dev/full 2>'%s'", program,
             run_path("full-store"), run_path("full.txt"));
    assert_int_equal(WEXITSTATUS(system(command)), 1);
    size_t size = 0;
    char *said = run_read(run_path("full.txt"), &size);
    assert_non_null(strstr(said, "could not be written"));
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_object_a_command),
        cmocka_unit_test(test_model_is_reported_as_open),
        cmocka_unit_test(test_first_failure_stops),
        cmocka_unit_test(test_unknown_names_are_exit_2),
        cmocka_unit_test(test_bad_models_are_exit_1),
        cmocka_unit_test(test_batch_files),
        cmocka_unit_test(test_errors_name_their_line),
        cmocka_unit_test(test_demo_calibrates_itself_and_others_ask),
        cmocka_unit_test(test_one_default),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_demo_session),
        cmocka_unit_test(test_session_from_another_folder),
        cmocka_unit_test(test_for_people),
        cmocka_unit_test(test_limits_are_obeyed),
        cmocka_unit_test(test_a_full_disk_is_noticed),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
