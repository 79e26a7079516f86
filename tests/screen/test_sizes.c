/* One planish resized through many sizes: nothing spills, nothing is left over, nothing is lost.
 *
 * PLANISH_TEST_ALL tries more of them. */
#include "tests/screen/own_screen.h"
#include "tests/screen/shot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"

enum { MIN_ROWS = 12, MIN_COLS = 44 };

static void start(void)
{
    pty = pl_pty_start(own_folder.folder, 24, 80, "xterm-256color", "C.UTF-8", NULL);
}

static _Noreturn void wrong(const char *what)
{
    fprintf(stderr, "%dx%d: %s:\n%s\n", pl_pty_cols(pty), pl_pty_rows(pty), what, pl_pty_text(pty));
    fail();
    abort(); /* never reached: fail() jumps */
}

/* A pane's title is reversed, and its line is a heavy one: the focus is seen. */
static bool shows_focus(void)
{
    int rows = pl_pty_rows(pty);
    int cols = pl_pty_cols(pty);
    for (int y = 1; y < rows - 2; y++) {
        for (int x = 0; x + 1 < cols; x++) {
            if (pl_pty_cell_at(pty, y, x).code == 0x2501) { /* a heavy line */
                return true;
            }
        }
    }
    return false;
}

static bool is_whole(pl_pty *p, const void *ctx)
{
    (void)ctx;
    int rows = pl_pty_rows(p);
    int cols = pl_pty_cols(p);
    if (rows < MIN_ROWS || cols < MIN_COLS) {
        /* The notice, where its words have room. */
        return rows < 5 || cols < 12 || pl_pty_shows(p, "planish");
    }
    return strstr(pl_pty_row(p, 0, 0, cols), "planish") != NULL &&
           strstr(pl_pty_row(p, rows - 1, 0, cols), ": command") != NULL && shows_focus();
}

static bool same_shot(pl_pty *p, const void *ctx)
{
    const pl_shot *old = ctx;
    pl_shot shot = pl_shot_take(p);
    bool same = shot.rows == old->rows;
    for (int y = 0; same && y < shot.rows; y++) {
        same = strcmp(shot.text[y], old->text[y]) == 0 && strcmp(shot.looks[y], old->looks[y]) == 0;
    }
    pl_shot_deinit(&shot);
    return same;
}

/* What is on the screen is what a screen drawn afresh shows. */
static void check_redraw(void)
{
    pl_pty_wait_gone(pty, "computing", patience()); /* what comes later would be a difference */
    pl_pty_rest(pty, 0.03, patience());
    pl_shot shot = pl_shot_take(pty);
    pl_pty_send(pty, "\014");
    pl_pty_rest(pty, 0.03, patience());
    if (pl_pty_wait(pty, same_shot, &shot, patience()) < 0) {
        for (int y = 0; y < shot.rows; y++) {
            fprintf(stderr, "|%s\n", shot.text[y]);
        }
        wrong("drawn afresh it is another screen than the one above");
    }
    pl_shot_deinit(&shot);
}

static bool has_drawn(pl_pty *p, const void *ctx)
{
    const size_t *before = ctx;
    return pl_pty_bytes(p) > *before;
}

static void check_size(int rows, int cols, bool redraw)
{
    const size_t before = pl_pty_bytes(pty);
    pl_pty_resize(pty, rows, cols);
    /* Where a notice has no room for its words, nothing but this tells that the program has seen
     * the size; what it draws may be the same as before. */
    (void)pl_pty_wait(pty, has_drawn, &before, pl_pty_patience());
    if (pl_pty_wait(pty, is_whole, NULL, patience()) < 0) {
        wrong(pl_pty_ended(pty) ? "planish has ended" : "header, footer or focus is missing");
    }
    if (redraw) {
        check_redraw();
    }
}

static void come_to_rest(void)
{
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_send(pty, "!"); /* the tour's line */
    pl_pty_wait_gone(pty, "Tour ", patience());
    assert_true(pl_pty_rest(pty, 0.4, patience()));
}

static void test_many_sizes(void **state)
{
    (void)state;
    start();
    static const int edges[][2] = {
        {1, 1},    {1, 500},  {200, 1},  {2, 2},    {11, 43},   {12, 43},  {11, 44},  {12, 44},
        {13, 60},  {15, 59},  {16, 60},  {17, 61},  {20, 44},   {23, 79},  {23, 80},  {24, 79},
        {24, 80},  {25, 81},  {26, 80},  {40, 44},  {12, 500},  {200, 44}, {30, 100}, {40, 120},
        {50, 200}, {80, 300}, {24, 300}, {100, 80}, {200, 500}, {60, 160}, {12, 120}, {1, 2},
    };
    static const char *const between[] = {"\t", "|", "\t", "z", "\t", "v", "z", "|", "\t"};
    pl_rng rng;
    pl_rng_init(&rng, 4);
    come_to_rest();
    pl_shot first = pl_shot_take(pty);
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        check_size(edges[i][0], edges[i][1], true);
    }
    check_size(24, 80, false);
    if (pl_pty_wait(pty, same_shot, &first, patience()) < 0) {
        wrong("after all sizes the screen is another one than before");
    }
    pl_shot_deinit(&first);
    int more = getenv("PLANISH_TEST_ALL") != NULL ? 400 : 60;
    for (int i = 0; i < more; i++) {
        int rows = 1 + (int)pl_rng_below(&rng, i % 3 == 0 ? 200 : 60);
        int cols = 1 + (int)pl_rng_below(&rng, i % 3 == 0 ? 500 : 210);
        pl_pty_send(pty, between[i % 9]);
        check_size(rows, cols, i % 4 == 0);
    }
    pl_pty_send(pty, "\033:quit\r");
    double seconds = 0;
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
}

/* Sizes one after another without a pause, as a dragged window's edge makes them. */
static void test_dragged(void **state)
{
    (void)state;
    start();
    come_to_rest();
    for (int i = 0; i < 300; i++) {
        pl_pty_resize(pty, 1 + i * 7 % 60, 1 + i * 11 % 220);
        if (i % 10 == 0) {
            pl_pty_run(pty, 0.004);
        }
    }
    check_size(30, 100, true);
}

/* Why a value that is typed is refused stands whole beside it, where the pane is low, too. */
static void test_reason(void **state)
{
    (void)state;
    start();
    come_to_rest();
    pl_pty_send(pty, ":method gptq format=nvfp4\r");
    pl_pty_wait_text(pty, "round: gptq format=nvfp4", 4 * patience());
    pl_pty_send(pty, "\t\t\t");
    pl_pty_wait_text(pty, "Enter edit", patience());
    pl_pty_send(pty, "\033[B3\r");
    /* The format fixes bits and group_size, so the first knob of the rounder is mse. */
    pl_pty_wait_text(pty, "mse=3: one of no", patience());
    pl_pty_wait_text(pty, "yes expected", patience());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_many_sizes),
        SCREEN(test_dragged),
        SCREEN(test_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
