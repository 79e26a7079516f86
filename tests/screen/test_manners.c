/* Palette, filter, jobs, tour, themes, counts and mapped keys, in a real pseudo-terminal; and how
 * many bytes a key costs. */
#include "tests/screen/pty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/own_folder.h"

static double patience(void)
{
    return 5 * pl_pty_patience();
}

static pl_pty *start_as(int rows, int cols, const char *const *args, const char *const *env)
{
    pl_pty *pty = pl_pty_start_with(own_folder.folder, rows, cols, "xterm-256color", "C.UTF-8",
                                    args, &(pl_pty_options){.env = env});
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_wait_text(pty, "3.00", patience()); /* scores of the inputs */
    return pty;
}

static pl_pty *start(int rows, int cols)
{
    return start_as(rows, cols, NULL, NULL);
}

static void leave(pl_pty *pty)
{
    pl_pty_leave(pty, patience());
}

static void send_wait(pl_pty *pty, const char *keys, const char *text)
{
    pl_pty_send_wait(pty, keys, text, patience());
}

/* Where a text stands on the screen. */
static void find(pl_pty *pty, int rows, int cols, const char *text, int *row, int *col)
{
    for (*row = 0; *row < rows; ++*row) {
        for (*col = 0; *col < cols; ++*col) {
            if (strncmp(pl_pty_row(pty, *row, *col, cols), text, strlen(text)) == 0) {
                return;
            }
        }
    }
    fprintf(stderr, "\"%s\" is not on the screen:\n%s", text, pl_pty_text(pty));
    fail();
}

static void test_palette(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    send_wait(pty, "\020", "Palette");
    send_wait(pty, "solal", "> solal");
    assert_true(pl_pty_rest(pty, 0.1, patience()));
    int row = 0;
    int col = 0;
    find(pty, 24, 80, "solve-all", &row, &col);
    assert_true(pl_pty_cell_at(pty, row, col).underline);
    assert_false(pl_pty_cell_at(pty, row, col + 4).underline); /* the e of solve */
    assert_true(pl_pty_cell_at(pty, row, col + 6).underline);
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "Palette", patience());
    /* A command with words opens the prompt, one without runs, a layer is selected. */
    send_wait(pty, "\020calibr\033[B\r", ":calibrate ");
    pl_pty_send(pty, "\033");
    pl_pty_run(pty, 0.1);
    send_wait(pty, "\020theme li\r", "theme light");
    send_wait(pty, "\020select 2.down\r", "> 2.down_proj");
    /* A name that is typed whole comes first, and other words for a call are names, too. */
    send_wait(pty, "\020gptq", "> :method gptq ");
    send_wait(pty, "\025plot", "> :plot ");
    send_wait(pty, "\025undo", "> undo ");
    send_wait(pty, "\025worst", "> :layers sort=input_ratio top");
    send_wait(pty, "\025png\r", ":plot channels file=channels.png");
    pl_pty_send(pty, "\033");
    pl_pty_run(pty, 0.1);
    send_wait(pty, "\020nothinglikethis", "nothing fits");
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "nothing fits", patience());
    leave(pty);
}

/* A key without a meaning in the pane says so, and where it has one. */
static void test_keys_without_meaning(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    send_wait(pty, "i", "i has no meaning; ? lists the keys");
    send_wait(pty, "d", "d is a key of the pane Tuner (default-value); Tab goes from pane to pane");
    send_wait(pty, "\017", "Ctrl-O has no meaning");
    send_wait(pty, ":view main=log\r", "view main=log");
    send_wait(pty, "\tn", "next-peak: there is nothing for it in the view log");
    send_wait(pty, ":solve 1.q_proj\r", "solved 1.q_proj: group max ");
    send_wait(pty, ":set bits=3\r", "gptq: bits=3");
    send_wait(pty, ":set group_size=64\r", "astro: group_size=64, gptq: group_size=64");
    leave(pty);
}

static void test_filter(void **state)
{
    (void)state;
    pl_pty *pty = start(50, 200);
    send_wait(pty, "/", "rounded_error < 0.01");
    send_wait(pty, "down", "4 of 28");
    send_wait(pty, "\r", "> 0.mlp.down_proj");
    send_wait(pty, "j", "> 1.mlp.down_proj");
    send_wait(pty, "2k", "> 0.mlp.down_proj");
    send_wait(pty, "/", "recalls"); /* empty; the filter before is a key away */
    send_wait(pty, "\033[A", "4 of 28  Enter keeps");
    send_wait(pty, "\025input_ratio > 5 and q_p", "1 of 28");
    send_wait(pty, " and", "expected a name or a column at the end");
    pl_pty_send(pty, "\r"); /* stays until it can be understood */
    send_wait(pty, "\025input_ratoi > 2", "did you mean input_ratio?");
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "of 28", patience());
    send_wait(pty, ":filter weight_max >= 0.1 and 3.*\r", "of 28 /weight_max >= 0.1 and 3.*");
    send_wait(pty, ":filter nosuchlayer\r", "no layer passes the filter");
    send_wait(pty, ":filter none\r", "all layers are listed");
    send_wait(pty, ":filter block >\r", "error: filter: expected a number at the end");
    /* What is known of solved layers. */
    send_wait(pty, ":select 1.v_proj; solve\r", "1 solved");
    send_wait(pty, ":filter solved and rounded_error < 0.5 and gap < 0.5\r", "1 of 28");
    /* The list's order: by the column behind, both ways, and back. */
    send_wait(pty, ":filter none\r", "model order");
    send_wait(pty, ">", "by input");
    send_wait(pty, "o", "by input \u2191");
    send_wait(pty, ">", "by weight");
    send_wait(pty, "<<", "model order");
    send_wait(pty, ":columns kurt\r", "no column is named \"kurt\"");
    send_wait(pty, ":columns input_ratio,rounded_error,error\rz", "input rounded   error");
    send_wait(pty, "z:columns kurtosis,gap\rz", "kurt");
    leave(pty);
}

static void test_counts(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    send_wait(pty, "10", "10: how often");
    send_wait(pty, "j", "> 1.o_proj");
    send_wait(pty, "3\033[A", "> 1.q_proj");
    pl_pty_wait_text(pty, "> 1.q_proj", patience());
    send_wait(pty, "5g", "> 0.gate_proj");
    send_wait(pty, "gg", "> 0.q_proj");
    send_wait(pty, "20G", "> 2.up_proj");
    send_wait(pty, "G", "> 3.down_proj");
    send_wait(pty, "5\033[C", "\u20390.25\u203a"); /* five steps of the strength */
    /* Esc forgets a count; in the tuner digits are a value. */
    pl_pty_send(pty, "7\033");
    pl_pty_run(pty, 0.2);
    send_wait(pty, "k", "> 3.up_proj");
    leave(pty);
}

/* Esc stops what runs, whatever waits behind it, and then that. */
static void test_cancel(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 120);
    send_wait(pty, ":method flatquant steps=20000 seed=1; method gptq bits=3; activations bits=4\r",
              "a range per token");
    send_wait(pty, ":solve all\r", "Esc cancels");
    send_wait(pty, " ", "+1  Esc cancels"); /* learns first */
    send_wait(pty, "\033", "solve all stopped");
    pl_pty_wait_gone(pty, "+1  Esc cancels", patience());
    pl_pty_wait_text(pty, "Esc cancels", patience());
    send_wait(pty, ":cancel\r", "paused: `learn`");
    pl_pty_wait_gone(pty, "Esc cancels", patience());
    /* In the list of jobs one that waits ends at once. */
    send_wait(pty, ":solve all\r", "Esc cancels");
    send_wait(pty, " ", "+1  Esc cancels");
    send_wait(pty, "J", " Jobs ");
    for (int i = 0; i < 3 && !pl_pty_shows(pty, "> learn"); i++) {
        pl_pty_send(pty, "j"); /* one of the screen's own may stand between them */
        pl_pty_run(pty, 0.3);
    }
    pl_pty_wait_text(pty, "> learn", patience());
    pl_pty_send(pty, "x");
    pl_pty_wait_gone(pty, "+1  Esc cancels", patience());
    pl_pty_wait_text(pty, "running", patience());
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, " Jobs ", patience());
    send_wait(pty, "\033", "solve all stopped");
    leave(pty);
}

static void test_jobs(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 100);
    send_wait(pty, ":perplexity windows=0 length=16\r", "perplexity");
    send_wait(pty, "J", " Jobs ");
    pl_pty_wait_text(pty, "running", patience());
    pl_pty_wait_text(pty, "tokens/s", patience());
    pl_pty_wait_text(pty, "left", patience());
    pl_pty_wait_text(pty, "calibrate", patience()); /* the demo's, which has ended */
    send_wait(pty, "x", "cancelled");
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, " Jobs ", patience());
    send_wait(pty, ":log\r", "error: cancelled");
    send_wait(pty, "\033:jobs\r", " Jobs ");
    char line[700];
    snprintf(line, sizeof line, "\033:log file=%s/session.txt\r", own_folder.folder);
    pl_pty_send(pty, line);
    pl_pty_wait_text(pty, "the session's commands are in", patience());
    assert_int_equal(access(pl_temp_path(&own_folder, "session.txt"), R_OK), 0);
    leave(pty);
}

static void test_tour(void **state)
{
    (void)state;
    pl_pty *pty = start(30, 100);
    pl_pty_wait_text(pty, "Tour 1 of 5", patience());
    pl_pty_wait_text(pty, ": command", patience()); /* nothing is hidden */
    send_wait(pty, "j", "Tour 2 of 5");
    send_wait(pty, "s", "view side=input");
    send_wait(pty, "s", "Tour 3 of 5");
    send_wait(pty, " ", "Tour 4 of 5");
    send_wait(pty, "\033[C", "Tour 5 of 5");
    char line[700];
    snprintf(line, sizeof line, ":plot channels file=%s/figure.png\r", own_folder.folder);
    pl_pty_send(pty, line);
    pl_pty_wait_gone(pty, "Tour 5 of 5", patience());
    send_wait(pty, ":tour\r", "Tour 1 of 5");
    pl_pty_send(pty, "!");
    pl_pty_wait_gone(pty, "Tour 1 of 5", patience());
    leave(pty);
    /* Remembered. */
    pty = start(30, 100);
    assert_false(pl_pty_shows(pty, "Tour"));
    leave(pty);
}

static void test_themes(void **state)
{
    (void)state;
    int row = 0;
    int col = 0;
    pl_pty *pty = start(24, 80);
    find(pty, 24, 80, "Layers", &row, &col);
    expect_at_most(0, pl_pty_cell_at(pty, row, col).fg);
    expect_at_most(0, pl_pty_cell_at(pty, 0, 1).bg);
    send_wait(pty, ":theme none\r", "theme none");
    pl_pty_run(pty, 0.2);
    find(pty, 24, 80, "Layers", &row, &col);
    expect_less(pl_pty_cell_at(pty, row, col).fg, 0);
    assert_true(pl_pty_cell_at(pty, row, col).reverse); /* focus is seen without colour */
    expect_less(pl_pty_cell_at(pty, 0, 1).bg, 0);
    assert_true(pl_pty_cell_at(pty, 0, 1).reverse);
    send_wait(pty, ":theme puce\r", "expected dark, light, safe, none or auto");
    send_wait(pty, "T", "theme dark");
    send_wait(pty, "T", "theme light");
    send_wait(pty, ":marks ascii\r", "marks: ascii");
    pl_pty_run(pty, 0.2);
    for (const char *s = pl_pty_text(pty); *s != '\0'; s++) {
        expect_less((unsigned char)*s, 0x80);
    }
    leave(pty);
    pty = start(24, 80); /* both are remembered */
    send_wait(pty, "T", "theme safe");
    assert_true(pl_pty_shows(pty, "x median"));
    leave(pty);
    pty = start_as(24, 80, (const char *const[]){"--theme", "dark", NULL},
                   (const char *const[]){"NO_COLOR", "1", NULL});
    for (row = 0; row < 24; row++) {
        for (col = 0; col < 80; col++) {
            pl_pty_cell cell = pl_pty_cell_at(pty, row, col);
            expect_less(cell.fg, 0);
            expect_less(cell.bg, 0);
        }
    }
    send_wait(pty, ":theme light\r", "this terminal shows no colours");
    leave(pty);
}

static void test_keys_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir(pl_temp_path(&own_folder, "config"), 0700), 0);
    assert_int_equal(mkdir(pl_temp_path(&own_folder, "config/planish"), 0700), 0);
    static const char keys[] = "# mine\nmap all x solve\nunmap all Space\nmap all y sovle\n";
    pl_temp_write(&own_folder, "config/planish/keys", keys, sizeof keys - 1);
    pl_pty *pty = start(30, 120);
    pl_pty_wait_text(pty, "keys: line 4: no action is named \"sovle\": did you mean solve?",
                     patience());
    send_wait(pty, "j", "x solve"); /* the footer's hint */
    send_wait(pty, "x", "1 solved");
    send_wait(pty, "?", "Planish help");
    send_wait(pty, "/selected layer", "x           solve the selected layer");
    pl_pty_send(pty, "\r\033");
    leave(pty);
    char path[600];
    snprintf(path, sizeof path, "%s/absent", own_folder.folder);
    /* Wide enough for the sentence with the path in one line. */
    pty = pl_pty_start(own_folder.folder, 24, 400, "xterm", "C.UTF-8",
                       (const char *const[]){"--keys", path, NULL});
    double seconds = 0;
    pl_pty_wait_text(pty, "absent", patience());
    assert_int_not_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    pl_pty_stop(pty);
}

/* Keys that come faster than solves stop at the least target; the one behind it keeps its beta. */
static void test_bunched_strength(void **state)
{
    (void)state;
    enum { PRESSES = 80 };
    char keys[3 * PRESSES + 1] = "";
    pl_pty *pty = start(24, 120);
    send_wait(pty, ":select 1.q_proj\r", "> 1.q_proj");
    send_wait(pty, ":method astro target=0.8\r", "\u20390.8\u203a");
    send_wait(pty, " ", "0.0040"); /* the rest of its digits is the kernels' */
    for (int i = 0; i < PRESSES; i++) {
        strcat(keys, "\033[D");
    }
    send_wait(pty, keys, "\u20390.01\u203a");
    pl_pty_wait_text(pty, "e-07", patience());
    send_wait(pty, "\033[D", "e-07\u203a");
    pl_pty_wait_text(pty, "e-07 target=0", patience());
    leave(pty);
}

/* What lies over the panes, and the tour's line, at every kind of size. */
static void test_sizes(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1},   {2, 300},  {200, 2}, {11, 43},   {12, 44}, {25, 80},
                                   {26, 44}, {26, 200}, {80, 44}, {200, 500}, {24, 80}};
    static const char *const opened[] = {"", "\020sol", "J", "?/solve", "/q_proj", ":sel"};
    pl_pty *pty = start(24, 80);
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++) {
        pl_pty_send(pty, opened[i]);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            pl_pty_resize(pty, sizes[k][0], sizes[k][1]);
            pl_pty_rest(pty, 0.05, 2);
            assert_false(pl_pty_ended(pty));
        }
        pl_pty_send(pty, "\033");
        pl_pty_run(pty, 0.1);
        pl_pty_send(pty, "\033"); /* the help behind its search */
        pl_pty_wait_text(pty, "> 0.q_proj", patience());
        pl_pty_wait_text(pty, "Tour 1 of 5", patience());
    }
    leave(pty);
}

/* --- what a key costs ------------------------------------------------------------------------- */

static size_t cost(pl_pty *pty, const char *key)
{
    assert_true(pl_pty_rest(pty, 0.3, patience())); /* no redraw of something else's end */
    size_t before = pl_pty_bytes(pty);
    pl_pty_send(pty, key);
    assert_true(pl_pty_rest(pty, 0.3, patience()));
    return pl_pty_bytes(pty) - before;
}

static void check_bytes(int rows, int cols)
{
    pl_pty *pty = start(rows, cols);
    pl_pty_send(pty, "!");
    size_t worst = 0;
    size_t layers = 0;
    for (int i = 0; i < 4; i++) {
        size_t bytes = cost(pty, "j");
        layers = bytes > layers ? bytes : layers;
    }
    size_t knob = cost(pty, "\033[C");
    pl_pty_send(pty, "\t");
    for (int i = 0; i < 6; i++) {
        size_t bytes = cost(pty, i % 3 == 2 ? "n" : "\033[C");
        worst = bytes > worst ? bytes : worst;
    }
    if (getenv("PLANISH_BYTES") != NULL) {
        fprintf(stderr, "%dx%d: crosshair %zu, layer %zu, knob %zu bytes\n", cols, rows, worst,
                layers, knob);
    }
    expect_less(0, worst);
    expect_at_most(worst, 4096);
    leave(pty);
}

static void test_bytes_of_a_cursor_move(void **state)
{
    (void)state;
    check_bytes(24, 80);
    check_bytes(50, 200);
    check_bytes(80, 300);
}

/* A held key does not lag behind: many presses are one redraw, and the screen is where they end. */
static void test_held_key(void **state)
{
    (void)state;
    pl_pty *pty = start(24, 80);
    pl_pty_send(pty, "jjjjjjjjjjjjjjjjjjjjjjjjjjj");
    double seconds = pl_pty_wait_text(pty, "> 3.down_proj", patience());
    expect_less(seconds, pl_pty_patience());
    leave(pty);
}

#define SCREEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_palette),
        SCREEN(test_keys_without_meaning),
        SCREEN(test_filter),
        SCREEN(test_counts),
        SCREEN(test_cancel),
        SCREEN(test_jobs),
        SCREEN(test_tour),
        SCREEN(test_themes),
        SCREEN(test_keys_file),
        SCREEN(test_held_key),
        SCREEN(test_bunched_strength),
        SCREEN(test_sizes),
        SCREEN(test_bytes_of_a_cursor_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
