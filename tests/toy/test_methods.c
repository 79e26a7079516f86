/* Methods that are one file and one line each, and a number format that is: everything that works
 * with methods and formats works with them. */
#include "app/command.h"
#include "core/lab/strength.h"
#include "core/live/live.h"
#include "views/tuner.h"

#include "tests/e2e/run_planish.h"
#include "tests/screen/pty.h"
#include "tests/support/demo_lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHODS "method press share=0.25; method toy bits=4 format=octaves kept=0.8; "

static void check_object(json_t *result, const char *name, const char *key, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(json_object_get(result, name), key)),
                        value);
}

static void check_number(double found, double expected)
{
    pl_check_close(found, expected, 1e-6, 0);
}

/* `method`, `solve` and the JSON of what it reports; again, from the store. */
static void test_solve(void **ctx)
{
    (void)ctx;
    double clipped = 0;
    for (int turn = 0; turn < 2; turn++) {
        run r = run_demo(METHODS "solve 1.q_proj; method gptq; solve 1.q_proj");
        assert_int_equal(r.status, 0);
        check_object(run_result(&r, 1), "parameters", "format", "octaves");
        json_t *report = run_result(&r, 2);
        run_check_keys(report, "taken clipped damping_used? ridge? gap? objective? iterations? "
                               "relative_error rounded_relative_error group_max_after");
        check_number(run_number(report, "taken"), 0.25);
        check_number(run_number(report, "relative_error"), 0.0625);
        expect_less(0, run_number(report, "clipped"));
        if (turn > 0) {
            expect_close(run_number(report, "clipped"), clipped, 0);
        }
        clipped = run_number(report, "clipped");
        expect_less(0, run_number(report, "rounded_relative_error"));
        run_check_keys(run_result(&r, 4), "taken clipped? damping_used");
        run_free(&r);
    }
    run r = RUN("-c", METHODS "solve 1.q_proj");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "taken"));
    assert_non_null(strstr(r.out, "clipped"));
    run_free(&r);
    r = run_demo("method toy bits=4; solve all; method press; solve all");
    assert_int_equal(r.status, 0);
    run_check_keys(run_result(&r, 1), "clipped taken?");
    check_number(run_number(run_last(&r), "taken"), 0.25); /* the largest over the layers */
    run_free(&r);
}

static void test_help_and_refusals(void **ctx)
{
    (void)ctx;
    run r = RUN("-c", "help toy");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "fills the slot round"));
    assert_non_null(strstr(r.out, "kept=0.9"));
    assert_non_null(strstr(r.out, "reports clipped (weights): How many were outside"));
    run_free(&r);
    r = RUN("-c", "help activations");
    assert_non_null(strstr(r.out, "octaves"));
    run_free(&r);
    r = run_demo("method toy keep=1");
    run_check_failed(&r, 2, "did you mean kept?");
    run_free(&r);
    r = run_demo("method toy format=octave");
    run_check_failed(
        &r, 1,
        "one of int, mxfp4, mxfp6_e2m3, mxfp6_e3m2, mxfp8, nvfp4, fp8, nf4, octaves expected");
    run_free(&r);
}

static void test_sweep_and_figures(void **ctx)
{
    (void)ctx;
    char script[3000];
    snprintf(script, sizeof script,
             METHODS "select 1.q_proj; solve; pin; sweep share=0.1:0.5:lin3; "
                     "sweep kept=0.5:1:lin3; "
                     "plot sweep file=%s width=3in height=2in dpi=80; plot channels file=%s "
                     "width=3in height=2in dpi=80",
             run_path("sweep.png"), run_path("channels.csv"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    for (size_t i = 5; i < 7; i++) {
        assert_int_equal(json_array_size(json_object_get(run_result(&r, i), "points")), 3);
    }
    run_free(&r);
    char *csv = run_read(run_path("channels.csv"), NULL);
    assert_non_null(strstr(csv, "press"));
    assert_non_null(strstr(csv, "σ = 0.25"));
    free(csv);
    snprintf(script, sizeof script, "rebuild %s", run_path("sweep.png"));
    r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
}

/* Weights, activations and the cache on the toy's grid; what is exported opens as it was. */
static void test_format_and_export(void **ctx)
{
    (void)ctx;
    char script[3000];
    snprintf(script, sizeof script,
             "method gptq bits=4 format=octaves; method none slot=precondition; solve all; "
             "perplexity which=after windows=1; export dir=%s dtype=f32; "
             "import after=%s; perplexity which=after windows=1",
             run_path("octaves"), run_path("octaves"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    const double after = run_number(run_result(&r, 3), "perplexity");
    expect_less(run_number(run_result(&r, 3), "original_perplexity"), after);
    pl_check_close(run_number(run_last(&r), "perplexity"), after, 1e-9, 0);
    run_free(&r);
    r = run_demo("activations bits=4 format=octaves; kv bits=4 format=octaves; "
                 "method rtn bits=8; solve 1.q_proj; perplexity which=after windows=1");
    assert_int_equal(r.status, 0);
    expect_less(1e-4, run_number(run_result(&r, 3), "output_error"));
    run_free(&r);
}

static bool offers(const pl_state *state, const char *line, const char *word)
{
    char **list = pl_complete(state, line);
    bool found = false;
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        found = found || strcmp(list[i], word) == 0;
    }
    pl_completions_free(list);
    return found;
}

typedef struct frames {
    size_t count;
    double group_max, error, rounded;
} frames;

static void on_frame(void *ctx, pl_picture *frame)
{
    frames *seen = ctx;
    seen->count++;
    seen->group_max = frame->report.group_max_after;
    seen->error = frame->report.relative_error;
    seen->rounded = frame->report.rounded_relative_error;
    pl_picture_destroy(frame);
}

/* A turn of the toy's knob shows frames, whose numbers become those of the solve; completion and
 * the tuner's rows have its parameters, and its strength is known. */
static void test_knob(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_live *live = NULL;
    pl_strength strength;
    demo_lab_init(&d);
    demo_method(&d.state, "toy bits=3");
    demo_method(&d.state, "press");
    d.state.layer = DEMO_Q1;
    assert_true(offers(&d.state, "method pr", "press"));
    assert_true(offers(&d.state, "method toy k", "kept="));
    assert_true(offers(&d.state, "method rtn format=o", "format=octaves"));
    assert_true(offers(&d.state, "kv bits=4 format=o", "format=octaves"));
    assert_true(offers(&d.state, "sweep sh", "share="));

    pl_tuner_row rows[PL_TUNER_ROWS];
    const pl_screen_model model = {.state = &d.state};
    const size_t count = pl_tuner_rows(&model, rows);
    /* Neither a scale mode nor a scale of all layers of a site, of which integers have none. */
    assert_int_equal(count, 1 + 1 + 1 + (PL_GRID_COUNT - 2) + 1 + 1);
    assert_string_equal(rows[1].spec->method->params[rows[1].param].name, "share");

    pl_check_ok(pl_live_create(&live, &err), err);
    for (int turn = 0; turn < 3; turn++) { /* another value; then the rounder alone */
        static const char *const methods[] = {"press share=0.2", "press share=0.3", "toy bits=4"};
        frames seen = {0};
        pl_solve_report report;
        pl_id result;
        demo_method(&d.state, methods[turn]);
        pl_check_ok(
            pl_live_solve(live, demo_context(&d), DEMO_Q1, on_frame, &seen, &report, &result, &err),
            err);
        const double share = turn == 0 ? 0.2 : 0.3;
        check_number(report.relative_error, share * share);
        expect_less(0, seen.count);
        pl_check_close(seen.group_max, report.group_max_after, 0.1, 0);
        pl_check_close(seen.error, report.relative_error, 0.1, 0);
        if (!isnan(seen.rounded)) {
            expect_close(seen.rounded / report.rounded_relative_error, 1, 0.1);
        }
    }
    pl_check_ok(pl_live_factors(demo_context(&d), DEMO_Q1, &err), err);
    pl_check_ok(pl_layer_strength(demo_context(&d), DEMO_Q1, &strength, &err), err);
    check_number(strength.zero, 1.0);
    pl_live_destroy(live);
    demo_lab_deinit(&d);
}

static void test_screen(void **ctx)
{
    (void)ctx;
    pl_temp temp;
    const double limit = 20 * pl_pty_patience();
    pl_temp_init(&temp);
    pl_pty *pty = pl_pty_start(temp.folder, 40, 120, "xterm-256color", "C.UTF-8", NULL);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", limit);
    pl_pty_send(pty, ":method pre\t\r");
    pl_pty_wait_text(pty, "precond press", limit);
    pl_pty_send(pty, ":method toy bits=3 format=oc\t\r");
    pl_pty_wait_text(pty, "press \xe2\x86\x92 toy", limit);
    pl_pty_wait_text(pty, "octaves", limit);
    pl_pty_send(pty, ":select 1.q_proj\r \033[C");
    pl_pty_wait_text(pty,
                     "\xe2\x80\xb9"
                     "0.3\xe2\x80\xba",
                     limit); /* a step of 0.05 */
    pl_pty_wait_text(pty, "W3 error", limit);
    pl_pty_wait_text(pty, "that of toy", limit); /* why it is red takes the place of the range */
    pl_pty_send(pty, "p");
    pl_pty_wait_text(pty, "0.3 > 3", limit);
    pl_pty_leave(pty, limit);
    pl_temp_deinit(&temp);
}

int main(void)
{
    if (setenv("PLANISH_BIN", PL_TOY_METHODS, 1) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_solve),
        cmocka_unit_test(test_help_and_refusals),
        cmocka_unit_test(test_sweep_and_figures),
        cmocka_unit_test(test_format_and_export),
        cmocka_unit_test(test_knob),
        cmocka_unit_test(test_screen),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
