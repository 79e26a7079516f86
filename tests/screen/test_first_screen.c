/* The first screen on the built-in demo, in a real pseudo-terminal. */
#include "tests/screen/pty.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/own_folder.h"

static double patience(void)
{
    return 5 * pl_pty_patience();
}

static pl_pty *start(int rows, int cols)
{
    return pl_pty_start(own_folder.folder, rows, cols, "xterm-256color", "C.UTF-8", NULL);
}

/* Leaves by :quit, and checks that everything is given back. */
static void leave(pl_pty *pty)
{
    double seconds = 0;
    pl_pty_send(pty, ":quit\r");
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    expect_less(seconds, pl_pty_patience());
    assert_false(pl_pty_alternate(pty));
    assert_true(pl_pty_cursor_visible(pty));
    pl_pty_stop(pty);
}

static bool is_braille(const char *text)
{
    /* U+2800 ... U+28FF is E2 A0..A3 xx. */
    for (const char *s = text; (s = strchr(s, '\xe2')) != NULL; s++) {
        if ((unsigned char)s[1] >= 0xa0 && (unsigned char)s[1] <= 0xa3) {
            return true;
        }
    }
    return false;
}

static void check_first_screen(int rows, int cols, const char *layer)
{
    pl_pty *pty = start(rows, cols);
    double seconds = pl_pty_wait_text(pty, layer, patience());
    expect_less(seconds, pl_pty_patience());
    /* The plot, the table and the tuner fill by themselves. */
    seconds += pl_pty_wait_text(pty, "before  Space solves", patience());
    expect_less(seconds, pl_pty_patience());
    for (int i = 0; i < 20 && !is_braille(pl_pty_text(pty)); i++) {
        pl_pty_run(pty, 0.05); /* a frame may come in two pieces */
    }
    assert_true(is_braille(pl_pty_text(pty)));
    assert_true(pl_pty_alternate(pty));
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    static const char *const words[] = {"planish",   "Layers", "Outlier channels", "Tuner", "beta",
                                        "group max", "rms",    ": command",        "? help"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        pl_pty_wait_text(pty, words[i], patience());
    }
    leave(pty);
}

static void test_80x24(void **state)
{
    (void)state;
    check_first_screen(24, 80, "1.q_proj");
}

static void test_200x50(void **state)
{
    (void)state;
    check_first_screen(50, 200, "3.mlp.down_proj");
}

static void test_help(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_send(pty, "?");
    pl_pty_wait_text(pty, "Planish help", patience());
    pl_pty_send(pty, "G");
    pl_pty_wait_gone(pty, "Planish help", patience());
    pl_pty_send(pty, "\033");
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_send(pty, ":help calibrate\r");
    pl_pty_wait_text(pty, "windows", patience());
    pl_pty_send(pty, "\033");
    pl_pty_wait_text(pty, "0.q_proj", patience());
    leave(pty);
}

static void test_knob(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_wait_text(pty, "\u20390.2\u203a", patience());
    pl_pty_send(pty, "\033[C");
    pl_pty_wait_text(pty, "0.21", patience());
    pl_pty_wait_text(pty, "20 iterations", patience());
    pl_pty_wait_text(pty, "1 solved", patience());
    /* Above it the beta that was found; a typed value, in the tuner, takes its place. */
    pl_pty_send(pty, "\t\t\t\033[A1e-3\r");
    pl_pty_wait_text(pty, "0.001", patience());
    pl_pty_wait_text(pty, "method astro beta=1e-3", patience());
    pl_pty_send(pty, "u");
    pl_pty_wait_text(pty, "0.21", patience());
    /* The search for the least rounded error says what it has found, and sets it. */
    pl_pty_send(pty, "b");
    pl_pty_wait_text(pty, "0.q_proj: beta ", patience());
    pl_pty_wait_text(pty, "rounded error", patience());
    leave(pty);
}

/* Presses that follow each other are one turn, and one step to undo; a typed value is its own. */
static void test_turns_and_undo(void **state)
{
    (void)state;
    pl_pty *pty = start(40, 120);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_send(pty, "\033[C\033[C\033[C");
    pl_pty_wait_text(pty, "0.23", patience());
    pl_pty_wait_text(pty, "1 solved", patience());
    pl_pty_wait_text(pty, "20 iterations", patience());
    pl_pty_wait_text(pty, "kurtosis", patience());
    pl_pty_run(pty, 1.1);
    pl_pty_send(pty, "\033[C");
    pl_pty_wait_text(pty, "0.24", patience());
    pl_pty_send(pty, "u");
    pl_pty_wait_text(pty, "0.23", patience());
    pl_pty_send(pty, "u");
    pl_pty_wait_text(pty, "\u20390.2\u203a", patience());
    pl_pty_send(pty, "\022\022"); /* Ctrl-R */
    pl_pty_wait_text(pty, "0.24", patience());
    /* A value that is not understood stays, with the reason beside it. */
    pl_pty_send(pty, ":select 0.q_proj\r");
    while (!pl_pty_shows(pty, "Enter edit")) {
        pl_pty_send(pty, "\t");
        pl_pty_run(pty, 0.1);
    }
    pl_pty_send(pty, "\033[A1e\r");
    pl_pty_wait_text(pty, "beta=1e", patience());
    pl_pty_send(pty, "-4\r");
    pl_pty_wait_text(pty, "method astro beta=1e-4", patience());
    pl_pty_wait_text(pty, "0.0001", patience());
    pl_pty_send(pty, "p");
    pl_pty_wait_text(pty, "1 0.0001 > 4", patience());
    pl_pty_send(pty, "P");
    pl_pty_wait_gone(pty, "1 0.0001 > 4", patience());
    leave(pty);
}

/* The key measures what is solved; under another one the number is marked. */
static void test_perplexity_in_the_tuner(void **state)
{
    (void)state;
    pl_pty *pty = start(40, 120);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_send(pty, "\033[C");
    pl_pty_wait_text(pty, "1 solved", patience());
    pl_pty_send(pty, "m");
    pl_pty_wait_text(pty, "1 of 28 solved", 10 * patience());
    pl_pty_send(pty, "\033[C");
    pl_pty_wait_text(pty, "of another setting", patience());
    pl_pty_send(pty, "\033[D"); /* back: its own number, without another solve */
    pl_pty_wait_gone(pty, "of another setting", patience());
    pl_pty_send(pty, ":keep A\r");
    pl_pty_wait_text(pty, "A is kept: `use A` goes back to it", patience());
    pl_pty_send(pty, ":keep\r");
    pl_pty_wait_text(pty, "name  layers  label", patience());
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "name  layers  label", patience());
    pl_pty_send(pty, "\033[C");
    pl_pty_wait_text(pty, "of A, 1 of 28 solved", patience());
    pl_pty_send(pty, ":use A\r");
    pl_pty_wait_text(pty, "1 layer of this setting is in the store", patience());
    pl_pty_wait_gone(pty, "of A,", patience());
    leave(pty);
}

/* A model that does not calibrate itself: a knob's solve waits for the calibration. */
static void test_knob_before_calibration(void **state)
{
    (void)state;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char demo[1024];
    char line[1200];
    snprintf(demo, sizeof demo, "%s/sessions/demo", root != NULL ? root : ".");
    snprintf(line, sizeof line, ":calibrate text=%s/calibration.txt windows=2\r", demo);
    pl_pty *pty = pl_pty_start(own_folder.folder, 24, 80, "xterm-256color", "C.UTF-8",
                               (const char *const[]){demo, NULL});
    pl_pty_wait_text(pty, "before  c calibrates", patience());
    pl_pty_send(pty, "s");
    pl_pty_wait_text(pty, "c calibrates, s shows the weights", patience());
    pl_pty_send(pty, "s\033[C");
    pl_pty_wait_text(pty, "0.21", patience());
    pl_pty_wait_text(pty, "solving needs a calibration", patience());
    pl_pty_send(pty, line);
    pl_pty_wait_text(pty, "1 solved", patience());
    pl_pty_wait_text(pty, "20 iterations", patience());
    leave(pty);
}

static void test_screen_commands(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_send(pty, ":select 2.down_proj\r");
    pl_pty_wait_text(pty, "> 2.down_proj", patience());
    /* What undo takes back is said; what is looked at is no step, and does not lose the redo. */
    pl_pty_send(pty, ":undo\r");
    pl_pty_wait_text(pty, "nothing to undo", patience());
    pl_pty_send(pty, ":method gptq bits=3; method gptq bits=4\r");
    pl_pty_wait_text(pty, "round: gptq bits=4", patience());
    pl_pty_send(pty, ":undo\r");
    pl_pty_wait_text(pty, "undo: method gptq bits=4 \u2192 bits=3", patience());
    pl_pty_send(pty, ":view side=input; select 2.up_proj\r");
    pl_pty_wait_text(pty, "> 2.up_proj", patience());
    pl_pty_send(pty, ":redo\r");
    pl_pty_wait_text(pty, "redo: method gptq bits=3 \u2192 bits=4", patience());
    assert_true(pl_pty_shows(pty, "> 2.up_proj"));
    pl_pty_send(pty, ":view side=weight; select 2.down_proj\r");
    pl_pty_wait_text(pty, "> 2.down_proj", patience());
    pl_pty_send(pty, ":cancel\r");
    pl_pty_wait_text(pty, "nothing runs", patience());
    pl_pty_send(pty, ":help astro\r");
    pl_pty_wait_text(pty, "method astro", patience());
    pl_pty_send(pty, "\033:help nosuch\r");
    pl_pty_wait_text(pty, "no command, method, parameter", patience());
    /* A second instance says why its session is not kept. */
    pl_pty *other = start(24, 80);
    pl_pty_wait_text(other, "another planish", patience());
    leave(other);
    leave(pty);
    pty = start(24, 80);
    pl_pty_wait_text(pty, "L brings the last session back", patience());
    pl_pty_send(pty, ":restore\r");
    pl_pty_wait_text(pty, "> 2.down_proj", patience());
    leave(pty);
}

static void test_errors_in_the_line(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_send(pty, ":selekt 3\r");
    pl_pty_wait_text(pty, "error: unknown command", patience());
    pl_pty_send(pty, ":select 9.q_proj\r");
    pl_pty_wait_text(pty, "error:", patience());
    pl_pty_send(pty, ":method gptq bits=99\r");
    pl_pty_wait_text(pty, "bits", patience());
    leave(pty);
}

static void test_prompt(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_send(pty, ":sel\t2.do\t");
    pl_pty_wait_text(pty, ":select 2.down_proj", patience());
    pl_pty_send(pty, "\r");
    pl_pty_wait_text(pty, "> 2.down_proj", patience());
    pl_pty_send(pty, ":zzz");
    pl_pty_wait_text(pty, ":zzz", patience());
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, ":zzz", patience());
    leave(pty);
    /* The history is there again. */
    pty = start(24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_send(pty, ":");
    pl_pty_run(pty, 0.2);
    pl_pty_send(pty, "\033OA\033OA");
    pl_pty_wait_text(pty, ":select 2.down_proj", patience());
    pl_pty_send(pty, "\025quit\r");
    double seconds = 0;
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    pl_pty_stop(pty);
}

static void test_sides_and_panes(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_send(pty, "s");
    pl_pty_wait_text(pty, "max |x|", patience());
    pl_pty_wait_text(pty, "token", patience());
    pl_pty_send(pty, "\t");
    pl_pty_wait_text(pty, "crosshair", patience());
    pl_pty_send(pty, "o");
    pl_pty_wait_text(pty, "sorted", patience());
    pl_pty_send(pty, "\t\t");
    pl_pty_wait_text(pty, "edit", patience());
    leave(pty);
}

static void test_sizes(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_resize(pty, 1, 1);
    pl_pty_run(pty, 0.3);
    pl_pty_resize(pty, 5, 20);
    pl_pty_wait_text(pty, "planish needs", patience());
    pl_pty_resize(pty, 16, 60);
    pl_pty_wait_text(pty, "Layers", patience());
    pl_pty_send(pty, "\t\t\t");
    pl_pty_wait_text(pty, "Tuner", patience());
    pl_pty_resize(pty, 50, 200);
    pl_pty_wait_text(pty, "3.mlp.down_proj", patience());
    pl_pty_wait_text(pty, "refine", patience());
    leave(pty);
}

static void test_small_from_the_start(void **state)
{
    (void)state;
    pl_pty *pty = start(1, 1);
    pl_pty_run(pty, 0.5);
    pl_pty_resize(pty, 24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    leave(pty);
}

static void test_plain_terminals(void **state)
{
    (void)state;
    pl_pty *pty = pl_pty_start(own_folder.folder, 24, 80, "vt100", "C", NULL);
    pl_pty_wait_text(pty, "x median", patience());
    for (const char *s = pl_pty_text(pty); *s != '\0'; s++) {
        expect_less((unsigned char)*s, 0x80);
    }
    leave(pty);
    pty = pl_pty_start(own_folder.folder, 24, 80, "linux", "C.UTF-8", NULL);
    pl_pty_wait_text(pty, "\u00d7 median", patience());
    assert_false(is_braille(pl_pty_text(pty)));
    assert_true(pl_pty_shows(pty, "\u2588"));
    leave(pty);
}

static void check_signal(int signo)
{
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    assert_true(pl_pty_alternate(pty));
    assert_false(pl_pty_cooked(pty));
    double seconds = 0;
    pl_pty_signal(pty, signo);
    assert_int_not_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    assert_false(pl_pty_alternate(pty));
    assert_true(pl_pty_cursor_visible(pty));
    assert_true(pl_pty_cooked(pty));
    pl_pty_stop(pty);
}

static void test_signals(void **state)
{
    (void)state;
    check_signal(SIGTERM);
    check_signal(SIGHUP);
}

static void test_fatal_signals(void **state)
{
    (void)state;
    check_signal(SIGSEGV);
    check_signal(SIGABRT);
    check_signal(SIGQUIT);
}

static void test_suspend(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_send(pty, "\032");
    pl_pty_run(pty, 0.5);
    assert_false(pl_pty_alternate(pty));
    assert_true(pl_pty_cooked(pty));
    pl_pty_signal(pty, SIGCONT);
    pl_pty_wait_text(pty, "0.q_proj", patience());
    pl_pty_run(pty, 0.2);
    assert_true(pl_pty_alternate(pty));
    leave(pty);
}

static void test_quit_while_a_job_runs(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    /* Other windows than the stored ones: a job long enough to be interrupted. */
    pl_pty_send(pty, ":perplexity windows=0 length=16\r");
    pl_pty_run(pty, 0.1);
    leave(pty);
}

#define SCREEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_80x24),
        SCREEN(test_200x50),
        SCREEN(test_help),
        SCREEN(test_knob),
        SCREEN(test_turns_and_undo),
        SCREEN(test_perplexity_in_the_tuner),
        SCREEN(test_knob_before_calibration),
        SCREEN(test_screen_commands),
        SCREEN(test_errors_in_the_line),
        SCREEN(test_prompt),
        SCREEN(test_sides_and_panes),
        SCREEN(test_sizes),
        SCREEN(test_small_from_the_start),
        SCREEN(test_plain_terminals),
        SCREEN(test_signals),
        SCREEN(test_fatal_signals),
        SCREEN(test_suspend),
        SCREEN(test_quit_while_a_job_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
