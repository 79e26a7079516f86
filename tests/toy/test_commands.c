/* A command that is one file and one line, and a figure with its view that is: everything that
 * commands, figures and views do works with them. */
#include "tests/e2e/run_planish.h"
#include "tests/screen/pty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/temp.h"

static const char next_layer[] = "model.layers.0.self_attn.k_proj";

static void test_batch_and_help(void **ctx)
{
    (void)ctx;
    run r = run_demo("next; next by=2; help next; help");
    assert_int_equal(r.status, 0);
    assert_string_equal(json_string_value(json_object_get(run_result(&r, 0), "layer")), next_layer);
    assert_string_equal(json_string_value(json_object_get(run_result(&r, 1), "layer")),
                        "model.layers.0.self_attn.o_proj");
    const json_t *help = json_array_get(json_object_get(run_result(&r, 2), "commands"), 0);
    assert_string_equal(json_string_value(json_object_get(help, "name")), "next");
    assert_string_equal(json_string_value(json_object_get(help, "summary")),
                        "Select a layer behind the selected one");
    assert_int_equal(json_array_size(json_object_get(help, "keys")), 1);
    run_free(&r);
    r = RUN("-c", "help");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "  next\n    Select a layer behind the selected one\n"));
    assert_non_null(strstr(r.out, "  figure rows\n    The norm of every row of the weights\n"));
    run_free(&r);
    r = run_demo("nxt");
    run_check_failed(&r, 2, "did you mean `next`");
    run_free(&r);
    r = run_demo("next by=0");
    run_check_failed(&r, 1, "next: by=0: expected a whole number from 1 to 100");
    run_free(&r);
}

static void check_rebuilt(const char *file, const char *out, bool same)
{
    char script[1400];
    snprintf(script, sizeof script, "rebuild %s%s%s", run_path(file), out != NULL ? " file=" : "",
             out != NULL ? run_path(out) : "");
    run r = run_demo(script);
    assert_int_equal(r.status, same ? 0 : 1);
    assert_int_equal(r.n_lines, 1);
    const json_t *result = json_object_get(r.lines[0], "result");
    assert_int_equal(json_is_true(json_object_get(result, "same")), same);
    run_free(&r);
}

static void test_figure_and_rebuild(void **ctx)
{
    (void)ctx;
    char script[3000];
    snprintf(script, sizeof script,
             "plot rows file=%s width=3in height=2in dpi=80; figure 1x2 'rows' 'spare3' file=%s "
             "width=5in height=2in dpi=80; plot rows file=%s width=3in height=2in dpi=80",
             run_path("rows.png"), run_path("two.svg"), run_path("rows.csv"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    size_t size = 0;
    char *png = run_read(run_path("rows.png"), &size);
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    assert_non_null(memmem(png, size, "Planish-Commands", 16));
    assert_non_null(memmem(png, size, "plot rows width=3in", 19));
    free(png);
    check_rebuilt("rows.png", NULL, true);
    check_rebuilt("two.svg", NULL, true);

    /* A figure's file may carry the command, since its row says so: it is replayed. */
    char *csv = run_read(run_path("rows.csv"), &size);
    char *plot = strstr(csv, "plot rows");
    assert_non_null(plot);
    char *edited = malloc(size + 16);
    assert_non_null(edited);
    snprintf(edited, size + 16, "%.*snext; %s", (int)(plot - csv), csv, plot);
    run_write(run_path("edited.csv"), edited);
    free(edited);
    free(csv);
    check_rebuilt("edited.csv", "next.csv", false);
    csv = run_read(run_path("next.csv"), &size);
    char expected[120];
    snprintf(expected, sizeof expected, "# Planish-Layer: %s\n", next_layer);
    assert_non_null(strstr(csv, expected));
    free(csv);
}

static void test_screen(void **ctx)
{
    (void)ctx;
    pl_temp temp;
    pl_temp_init(&temp);
    const double limit = 20 * pl_pty_patience();
    pl_pty *pty = pl_pty_start(temp.folder, 30, 100, "xterm-256color", "C.UTF-8", NULL);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", limit);

    /* Completed at the prompt with its key, run, and one step to undo. */
    pl_pty_send(pty, ":nex\t");
    pl_pty_wait_text(pty, ":next ", limit);
    pl_pty_send(pty, "b\t");
    pl_pty_wait_text(pty, ":next by=", limit);
    pl_pty_send(pty, "1\r");
    pl_pty_wait_text(pty, "0.self_attn.k_proj  [", limit);
    pl_pty_send(pty, "u");
    pl_pty_wait_text(pty, "0.self_attn.q_proj  [", limit);
    pl_pty_wait_text(pty, "undo: layer 0.k_proj \u2192 0.q_proj", limit);

    /* The view is behind the product's own, completed, drawn, with its own crosshair. */
    pl_pty_send(pty, ":view main=ro\t\r");
    pl_pty_wait_text(pty, "norm of a row", limit);
    pl_pty_send(pty, ":view main=outliers\r");
    pl_pty_wait_gone(pty, "norm of a row", limit);
    pl_pty_send(pty, "\tv");
    pl_pty_wait_text(pty, "norm of a row", limit);
    pl_pty_send(pty, "\033[C");
    pl_pty_wait_text(pty, "output channel ", limit);

    /* The eighteenth view keeps its own zoom. */
    pl_pty_send(pty, ":view main=spare3\r");
    pl_pty_wait_text(pty, " Spare 3 ", limit);
    pl_pty_wait_text(pty, "step", limit);
    assert_false(pl_pty_shows(pty, " 90 "));
    pl_pty_send(pty, "++");
    pl_pty_wait_text(pty, " 90 ", limit);
    static const char *const others[] = {"spare1", "spare2", "rows", "histogram", "channels"};
    static const char *const titles[] = {" Spare 1 ", " Spare 2 ", "norm of a row", " Histogram ",
                                         "max |w| per channel"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char line[64];
        snprintf(line, sizeof line, ":view main=%s\r", others[i]);
        pl_pty_send(pty, line);
        pl_pty_wait_text(pty, titles[i], limit);
        pl_pty_wait_gone(pty, " 90 ", limit);
    }
    pl_pty_send(pty, ":view main=spare3\r");
    pl_pty_wait_text(pty, " 90 ", limit);
    pl_pty_leave(pty, limit);
    pl_temp_deinit(&temp);
}

int main(void)
{
    if (setenv("PLANISH_BIN", PL_TOY_COMMANDS, 1) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_and_help),
        cmocka_unit_test(test_figure_and_rebuild),
        cmocka_unit_test(test_screen),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
