/* The mouse and what else a terminal sends that is no key, in a terminal. */
#include "tests/screen/own_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void start_with(const char *term, const char *const *args)
{
    pty = pl_pty_start(own_folder.folder, 24, 80, term, "C.UTF-8", args);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_send(pty, "!"); /* no tour */
    pl_pty_rest(pty, 0.2, patience());
}

static void start(void)
{
    start_with("xterm-256color", NULL);
}

/* Cells count from 1, as in the reports. */
static void report(int button, int row, int col, char final)
{
    char text[32];
    snprintf(text, sizeof text, "\033[<%d;%d;%d%c", button, col, row, final);
    pl_pty_send(pty, text);
}

static void click(int row, int col)
{
    report(0, row, col, 'M');
    report(0, row, col, 'm');
}

/* The rest of a frame may come behind the text that was waited for, and numbers behind the frame.
 */
static void whole_frame(void)
{
    pl_pty_rest(pty, 0.15, patience());
}

static void wheel(bool up, int row, int col)
{
    whole_frame();
    report(up ? 64 : 65, row, col, 'M');
}

/* Row and column, from 1, where a text begins. */
static void find(const char *text, int *row, int *col)
{
    whole_frame();
    for (*row = 1; *row <= pl_pty_rows(pty); (*row)++) {
        for (*col = 1; *col <= pl_pty_cols(pty); (*col)++) {
            const char *line = pl_pty_row(pty, *row - 1, *col - 1, pl_pty_cols(pty));
            if (strncmp(line, text, strlen(text)) == 0) {
                return;
            }
        }
    }
    fprintf(stderr, "\"%s\" is not shown:\n%s\n", text, pl_pty_text(pty));
    fail();
}

static void click_on(const char *text)
{
    int row = 0, col = 0;
    find(text, &row, &col);
    click(row, col);
}

static bool is_focused(pl_pty *p, const void *title)
{
    /* The focused pane's title stands on a heavy line. */
    char text[80];
    snprintf(text, sizeof text, "\u2501 %s \u2501", (const char *)title);
    return pl_pty_shows(p, text);
}

static void expect_focus(const char *title)
{
    if (pl_pty_wait(pty, is_focused, title, patience()) < 0) {
        fprintf(stderr, "%s has not the focus:\n%s\n", title, pl_pty_text(pty));
        fail();
    }
}

static void test_click_selects(void **state)
{
    (void)state;
    start();
    click_on("0.o_proj");
    pl_pty_wait_text(pty, "0.self_attn.o_proj  [144, 144]", patience());
    whole_frame();
    assert_true(strncmp(pl_pty_row(pty, 6, 0, 10), "> 0.o_proj", 10) == 0);
    /* A row of the table: its channel is marked, and the plot's crosshair stands there. */
    click_on("Outlier channels");
    expect_focus("Outlier channels");
    pl_pty_rest(pty, 0.1, patience());
    int channel = atoi(pl_pty_row(pty, 17, 0, 6));
    click(18, 10);
    char said[32];
    snprintf(said, sizeof said, " %d: ", channel);
    pl_pty_wait_text(pty, said, patience());
    /* A parameter of the tuner. */
    click_on("group_size");
    expect_focus("Tuner");
    pl_pty_wait_text(pty, "> group_size", patience());
    /* A channel of the plot: of those in the column the one whose stem is seen. */
    click_on("0.q_proj");
    pl_pty_wait_text(pty, "0.self_attn.q_proj", patience());
    pl_pty_rest(pty, 0.2, patience());
    int row = 0, col = 0;
    click_on(" 12  0.603"); /* the largest channel */
    pl_pty_wait_text(pty, " 12: 0.603", patience());
    find("\u25b2", &row, &col);
    click(row - 3, col + 20);
    pl_pty_wait_gone(pty, " 12: 0.603", patience());
    click(row - 3, col);
    pl_pty_wait_text(pty, " 12: 0.603", patience());
}

static void test_second_click_is_enter(void **state)
{
    (void)state;
    start();
    click_on("0.o_proj");
    click_on("0.o_proj");
    expect_focus("0.self_attn.o_proj  [144, 144]");
    click_on("iterations");
    pl_pty_wait_text(pty, "> iterations", patience());
    pl_pty_run(pty, 0.5); /* too late for a second one */
    click_on("iterations");
    pl_pty_rest(pty, 0.1, patience());
    pl_pty_send(pty, "d");
    assert_false(pl_pty_cursor_visible(pty)); /* nothing is being typed */
    pl_pty_run(pty, 0.5);
    click_on("iterations");
    click_on("iterations");
    pl_pty_rest(pty, 0.1, patience());
    assert_true(pl_pty_cursor_visible(pty));
    pl_pty_send(pty, "\0253\r");
    pl_pty_wait_text(pty, "\u20393\u203a", patience());
}

static void test_heads_sort(void **state)
{
    (void)state;
    start();
    pl_pty_wait_text(pty, "11.8", patience());
    click_on("input   ");
    pl_pty_wait_text(pty, "by input \u2501", patience());
    pl_pty_rest(pty, 0.1, patience());
    pl_pty_run(pty, 0.5);
    click_on("input   ");
    pl_pty_wait_text(pty, "by input \u2191", patience());
    click_on("layer   ");
    pl_pty_wait_text(pty, "model order", patience());
    expect_focus("Layers");
    /* All columns, in a pane of its own: any head. */
    pl_pty_send(pty, "z");
    pl_pty_wait_text(pty, "kurt", patience());
    click_on("kurt");
    pl_pty_wait_text(pty, "by kurt", patience());
}

static void test_wheel(void **state)
{
    (void)state;
    start();
    pl_pty_wait_text(pty, "> 0.q_proj", patience());
    wheel(false, 8, 5);
    pl_pty_wait_gone(pty, "> 0.q_proj", patience());
    pl_pty_wait_text(pty, "0.self_attn.q_proj", patience()); /* it is still the selected one */
    pl_pty_send(pty, "j");
    pl_pty_wait_text(pty, "> 0.k_proj", patience());
    /* In a plot it zooms, as far as there is something to see, and out again. */
    pl_pty_wait_text(pty, "100       channel", patience());
    for (int i = 0; i < 3; i++) {
        wheel(true, 8, 60);
    }
    pl_pty_wait_gone(pty, "100       channel", patience());
    for (int i = 0; i < 3; i++) {
        wheel(false, 8, 60);
    }
    pl_pty_wait_text(pty, "100       channel", patience());
    /* Help is over the panes: it scrolls. */
    pl_pty_send(pty, "?");
    pl_pty_wait_text(pty, "Planish help", patience());
    wheel(false, 8, 60);
    pl_pty_wait_gone(pty, "Planish help", patience());
    wheel(true, 8, 60);
    pl_pty_wait_text(pty, "Planish help", patience());
}

/* A click right behind the key that chooses another layer comes before that layer's numbers. */
static void test_before_its_numbers(void **state)
{
    (void)state;
    start();
    pl_pty_wait_text(pty, " 12  0.603", patience());
    whole_frame();
    pl_pty_send(pty, "jjj\033[<0;10;18M\033[<0;10;18m");
    pl_pty_wait_text(pty, "0.self_attn.o_proj", patience());
    expect_focus("Outlier channels");
    whole_frame();
    assert_int_equal(pl_pty_row(pty, 17, 0, 1)[0], '>');
    char said[32];
    snprintf(said, sizeof said, " %d: ", atoi(pl_pty_row(pty, 17, 1, 6)));
    pl_pty_wait_text(pty, said, patience());
    /* A drag in a view whose figure a job makes; a key behind one says that it is not meant. */
    pl_pty_send(pty, ":view spectrum\r\033[<0;40;8M\033[<32;50;8M\033[<0;55;8m");
    pl_pty_wait_text(pty, "zoomed to the range", patience());
    pl_pty_send(pty, ":view histogram\r\033[<0;40;8M\033[<32;50;8M\033[<0;55;8ms");
    whole_frame();
    assert_false(pl_pty_shows(pty, "zoomed to the range"));
}

static void test_drag_zooms(void **state)
{
    (void)state;
    start();
    pl_pty_wait_text(pty, "100       channel", patience());
    report(0, 8, 40, 'M');
    report(32, 8, 50, 'M');
    pl_pty_wait_text(pty, "let go: the plot shows this range", patience());
    assert_true(pl_pty_cell_at(pty, 7, 44).reverse);
    assert_false(pl_pty_cell_at(pty, 7, 70).reverse);
    report(0, 8, 55, 'm');
    pl_pty_wait_text(pty, "zoomed to the range", patience());
    pl_pty_wait_gone(pty, "100       channel", patience());
    assert_false(pl_pty_cell_at(pty, 7, 44).reverse);
    pl_pty_send(pty, "0");
    pl_pty_wait_text(pty, "100       channel", patience());
    /* In the palette a click chooses, a second one does it. */
    pl_pty_send(pty, "\020theme safe");
    pl_pty_wait_text(pty, ":theme safe", patience());
    click_on(":theme safe");
    click_on(":theme safe");
    pl_pty_wait_text(pty, "theme safe", patience());
    pl_pty_wait_gone(pty, "Palette", patience());
}

static void quit(void)
{
    double seconds = 0;
    pl_pty_send(pty, "q");
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    assert_int_equal(pl_pty_mouse(pty), 0);
    pl_pty_stop(pty);
    pty = NULL;
}

static void test_off_and_remembered(void **state)
{
    (void)state;
    start();
    assert_int_equal(pl_pty_mouse(pty), 2);
    pl_pty_send(pty, ":mouse no\r");
    pl_pty_wait_text(pty, "mouse off: the terminal's own selection works", patience());
    assert_int_equal(pl_pty_mouse(pty), 0);
    click(6, 5); /* a terminal that sends them all the same */
    pl_pty_rest(pty, 0.2, patience());
    assert_true(pl_pty_shows(pty, "> 0.q_proj"));
    quit();
    start(); /* remembered */
    assert_int_equal(pl_pty_mouse(pty), 0);
    pl_pty_send(pty, ":mouse maybe\r");
    pl_pty_wait_text(pty, "mouse maybe: expected yes or no", patience());
    pl_pty_send(pty, ":mouse yes\r");
    pl_pty_wait_text(pty, "with Shift the terminal's own selection works", patience());
    assert_int_equal(pl_pty_mouse(pty), 2);
    quit();
    const char *const args[] = {"--mouse", "no", NULL};
    start_with("xterm-256color", args);
    assert_int_equal(pl_pty_mouse(pty), 0);
    quit();
    start_with("vt100", NULL);
    assert_int_equal(pl_pty_mouse(pty), 0);
    pl_pty_send(pty, ":mouse yes\r");
    pl_pty_wait_text(pty, "this terminal reports no mouse", patience());
}

/* Nothing of a sequence that is no key may arrive as keys. */
static void test_no_key(void **state)
{
    (void)state;
    static const char *const sequences[] = {
        "\033[<35;10;10M",  "\033[<2;10;10M", "\033[<2;10;10m", "\033[<128;4;4M",
        "\033[<0;0;0M",     "\033[<0;5M",     "\033[<;;M",      "\033[<0;99999999;3M",
        "\033[?2026;0$y",   "\033[?1;2c",     "\033[200~",      "\033[M\x23!!",
        "\033[<0;200;200M", "\033[<0;1;24M",
    };
    start();
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        char *before = strdup(pl_pty_text(pty));
        pl_pty_send(pty, sequences[i]);
        pl_pty_rest(pty, 0.1, patience());
        if (strcmp(before, pl_pty_text(pty)) != 0) {
            fprintf(stderr, "sequence %zu changed the screen:\n%s\n", i, pl_pty_text(pty));
            fail();
        }
        free(before);
    }
    /* A report in two pieces is one. */
    pl_pty_send(pty, "\033[<0;5");
    pl_pty_send(pty, ";7M");
    pl_pty_wait_text(pty, "0.self_attn.o_proj", patience());
    /* Terminals without decimals: three bytes, 32 added. */
    pl_pty_send(pty, "\033[M\x20%$");
    pl_pty_wait_text(pty, "0.self_attn.q_proj", patience());
    /* One that is cut off ends where the next one begins, or a key. */
    pl_pty_send(pty, "/\033[<0;5\033[<0;5;7M\033[<0;4\033[<0;5;6Mv_p");
    pl_pty_wait_text(pty, "/v_p ", patience());
    pl_pty_wait_text(pty, "4 of 28", patience());
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "4 of 28", patience());
    pl_pty_send(pty, "\033[<0;5\033OA");
    pl_pty_rest(pty, 0.2, patience());
    pl_pty_send(pty, "gg");
    pl_pty_wait_text(pty, "0.self_attn.q_proj", patience());
    /* While a line is typed the mouse changes nothing. */
    pl_pty_send(pty, ":sel");
    pl_pty_wait_text(pty, ":sel", patience());
    click(8, 5);
    pl_pty_rest(pty, 0.1, patience());
    assert_true(pl_pty_shows(pty, ":sel"));
    assert_true(pl_pty_shows(pty, "0.self_attn.q_proj"));
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) {
        n++;
    }
    return n;
}

static void test_synchronized(void **state)
{
    (void)state;
    start();
    (void)pl_pty_record(pty);
    pl_pty_send(pty, "j");
    pl_pty_rest(pty, 0.2, patience());
    /* The emulator says that it does not know it. */
    assert_int_equal(count(pl_pty_record(pty), "\033[?2026"), 0);
    pl_pty_send(pty, "\033[?2026;2$y");
    pl_pty_rest(pty, 0.2, patience());
    (void)pl_pty_record(pty);
    pl_pty_send(pty, "j");
    pl_pty_rest(pty, 0.2, patience());
    const char *frames = pl_pty_record(pty);
    const size_t begun = count(frames, "\033[?2026h");
    expect_less(0, begun);
    assert_int_equal(count(frames, "\033[?2026l"), begun);
    assert_int_equal(strncmp(frames, "\033[?2026h", 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_click_selects),      SCREEN(test_second_click_is_enter),
        SCREEN(test_heads_sort),         SCREEN(test_wheel),
        SCREEN(test_before_its_numbers), SCREEN(test_drag_zooms),
        SCREEN(test_off_and_remembered), SCREEN(test_no_key),
        SCREEN(test_synchronized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
