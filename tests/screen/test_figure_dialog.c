/* The figure dialog: a figure's options as fields, the figure drawn while they are typed. */
#include "tests/screen/pty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/own_folder.h"

#define DOWN "\033[B"
#define UP "\033[A"

static double patience(void)
{
    return 10 * pl_pty_patience();
}

static pl_pty *start(int rows, int cols)
{
    pl_pty *pty = pl_pty_start(own_folder.folder, rows, cols, "xterm-256color", "C.UTF-8", NULL);
    pl_pty_wait_text(pty, "Layers", patience());
    pl_pty_wait_text(pty, "calibrated", patience());
    return pty;
}

static void leave(pl_pty *pty)
{
    pl_pty_leave(pty, patience());
}

static void send_wait(pl_pty *pty, const char *keys, const char *text)
{
    pl_pty_send_wait(pty, keys, text, patience());
}

/* The figure that is written there has a text in its commands. */
static void expect_written(const char *file, const char *text)
{
    char line[1200];
    snprintf(line, sizeof line, "cd '%s' && grep -aqF -e \"%s\" '%s'", own_folder.folder, text,
             file);
    assert_int_equal(system(line), 0);
}

static void test_fields(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    send_wait(pty, "e", "Enter writes");
    static const char *const names[] = {"file",   "preset", "width",  "height", "title",
                                        "xlabel", "xlim",   "names",  "legend", "colors",
                                        "text",   "font",   "svgtext"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pl_pty_wait_text(pty, names[i], patience());
    }
    pl_pty_wait_text(pty, "max |w| per input channel", patience());
    /* A field is gone to, and leaves nothing where nothing is typed. */
    send_wait(pty, DOWN, "> preset");
    send_wait(pty, DOWN DOWN DOWN, "> dpi");
    pl_pty_wait_gone(pty, "preset=", patience());
    send_wait(pty, DOWN, "> title");
    pl_pty_wait_text(pty, "title: title, with x^2", patience());
    assert_true(pl_pty_shows(pty, "0.q_proj\n") || pl_pty_shows(pty, " 0.q_proj ")); /* still */
    send_wait(pty, "W_0 of a layer", "W\u2080 of a layer");
    send_wait(pty, DOWN "the \\beta of it", "the \u03b2 of it");
    send_wait(pty, DOWN DOWN "20:40", "> xlim");
    pl_pty_wait_gone(pty, "100", patience());
    send_wait(pty, DOWN DOWN "before=the original", "the original");
    send_wait(pty, DOWN "none", "legend     none");
    pl_pty_wait_gone(pty, "\u2588 the original", patience());
    /* The field goes on where it was; the line has all of it. */
    send_wait(pty, UP UP UP, "> xlim");
    send_wait(pty,
              "\b\b"
              "60",
              "'20:60'");
    send_wait(pty, "\001", "plot channels");
    send_wait(pty, "\r", "wrote ");
    expect_written("0.q_proj-channels.png", "title='W_0 of a layer'");
    expect_written("0.q_proj-channels.png", "xlim=20:60");
    expect_written("0.q_proj-channels.png", "legend=none");
    leave(pty);
}

static void test_wrong(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    send_wait(pty, ":plot channels file=a.png xlim=60:40", "expected LO:HI with LO < HI");
    pl_pty_send(pty, "\r");
    pl_pty_run(pty, 0.3);
    assert_true(pl_pty_shows(pty, "file=a.png xlim=60:40")); /* nothing is lost */
    send_wait(pty,
              "\b\b"
              "80",
              "> xlim       60:80");
    pl_pty_wait_gone(pty, "expected LO:HI", patience());
    send_wait(pty, " names=nobody=W", "no series is \"nobody\"");
    send_wait(pty,
              "\b\b\b\b\b\b\b\b"
              "before=W",
              "\u2588 W");
    send_wait(pty, " color", "color"); /* a key that is half typed is no disaster */
    send_wait(pty, "s=pink", "\"pink\" is no colour");
    send_wait(pty,
              "\b\b\b\b"
              "red\r",
              "wrote a.png");
    /* What is no figure, or of none, opens nothing. */
    send_wait(pty, ":plot", ":plot");
    assert_false(pl_pty_shows(pty, "Enter writes"));
    send_wait(pty, " depth", "depth: no layer is solved both");
    assert_true(pl_pty_shows(pty, "Enter writes"));
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "Enter writes", patience());
    /* A table has no axes. */
    send_wait(pty, ":plot outliers file=t.csv", "max |w|");
    send_wait(pty, DOWN, "> preset");
    pl_pty_send(pty, "\033");
    leave(pty);
}

static void test_sizes(void **state)
{
    (void)state;
    pl_pty *pty = start(50, 200);
    send_wait(pty, ":plot histogram file=h.png legend=below", "> legend     below");
    pl_pty_wait_text(pty, "count per bin", patience());
    pl_pty_wait_text(pty, "caption", patience());
    static const int sizes[][2] = {{12, 44}, {5, 20}, {24, 80}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pl_pty_resize(pty, sizes[i][0], sizes[i][1]);
        pl_pty_rest(pty, 0.2, patience());
    }
    pl_pty_wait_text(pty, "> legend     below", patience());
    pl_pty_send(pty, "\033");
    leave(pty);
}

/* Both panels of a row, one above the other where they have no room beside each other, also in a
 * kept setting. */
static void test_row(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    send_wait(pty, ":method hadamard\r", "hadamard");
    send_wait(pty, ":keep turned\r", "turned");
    send_wait(pty, ":method none\r", "none");
    send_wait(pty, ":plot envelope file=e.png title='of both'", "0.q_proj, weights");
    pl_pty_wait_text(pty, "0.q_proj, input", patience());
    pl_pty_wait_text(pty, "              of both", patience());
    send_wait(pty, " setting=turned", "\u2016channel of X T\u2016\u2082");
    pl_pty_wait_text(pty, "0.q_proj, weights", patience());
    send_wait(pty, "\r", "wrote ");
    expect_written("e.png", "title='of both'");
    leave(pty);
}

#define SCREEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {SCREEN(test_fields), SCREEN(test_wrong), SCREEN(test_sizes),
                                       SCREEN(test_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
