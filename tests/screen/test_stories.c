/* What Planish is used for, from the first key to the last, in a real pseudo-terminal: find the
 * outlier channels layer by layer, tune the strength live, leave with a figure.
 *
 * On the built-in demo; with PLANISH_TEST_ALL also on SmolLM2 (PLANISH_SMOLLM2, and the text in
 * PLANISH_SHARED). */
#include "tests/screen/own_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void wrong(const char *what)
{
    fprintf(stderr, "%s:\n%s\n", what, pl_pty_text(pty));
    fail();
    abort(); /* never reached: fail() jumps */
}

static void type(const char *keys)
{
    pl_pty_feed(pty, keys, strlen(keys));
}

static void sees(const char *text)
{
    pl_pty_wait_text(pty, text, patience());
}

static void leave(void)
{
    double seconds = 0;
    type(":quit\r");
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    pl_pty_stop(pty);
    pty = NULL;
}

static void start_demo(int rows, int cols)
{
    pty = pl_pty_start(own_folder.folder, rows, cols, "xterm-256color", "C.UTF-8", NULL);
    sees("calibrated 4,096 tokens");
    type("!");
    pl_pty_wait_gone(pty, "Tour ", patience());
}

/* The row of the layer list that is selected, from its mark to the divider; "" if none is. */
static const char *selected(void)
{
    static char text[200];
    for (int y = 1; y < pl_pty_rows(pty) - 2; y++) {
        const char *row = pl_pty_row(pty, y, 0, 28);
        if (row[0] == '>') {
            snprintf(text, sizeof text, "%s", row);
            return text;
        }
    }
    return "";
}

static bool selects(pl_pty *p, const void *ctx)
{
    (void)p;
    return strstr(selected(), ctx) != NULL;
}

static void sees_selected(const char *name)
{
    if (pl_pty_wait(pty, selects, name, patience()) < 0) {
        wrong(name);
    }
}

/* The text behind a word on the screen up to the line's end, blanks and all; "" if it is not. */
static const char *behind(const char *word)
{
    static char line[400];
    const char *at = strstr(pl_pty_text(pty), word);
    size_t length = at != NULL ? strcspn(at, "\n") : 0;
    snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line - 1 ? length : sizeof line - 1),
             at != NULL ? at : "");
    return line;
}

typedef struct change {
    const char *word;
    char before[400];
} change;

static bool is_other(pl_pty *p, const void *ctx)
{
    (void)p;
    const change *c = ctx;
    const char *now = behind(c->word);
    return now[0] != '\0' && strcmp(now, c->before) != 0;
}

static bool is_again(pl_pty *p, const void *ctx)
{
    (void)p;
    const change *c = ctx;
    return strcmp(behind(c->word), c->before) == 0;
}

static change remember(const char *word)
{
    change c = {.word = word};
    snprintf(c.before, sizeof c.before, "%s", behind(word));
    return c;
}

static void changes(const change *c)
{
    if (pl_pty_wait(pty, is_other, c, patience()) < 0) {
        wrong(c->word);
    }
}

static void comes_back(const change *c)
{
    if (pl_pty_wait(pty, is_again, c, patience()) < 0) {
        fprintf(stderr, "expected again |%s|\n", c->before);
        wrong(c->word);
    }
}

/* --- outlier channels, layer by layer --------------------------------------------------------- */

/* The channel in a row of the table (0: the largest). */
static int channel_of_row(int row)
{
    int col = 0;
    for (int y = 1; y < pl_pty_rows(pty); y++) {
        const char *text = pl_pty_row(pty, y, 0, pl_pty_cols(pty));
        const char *head = strstr(text, " chan ");
        if (head != NULL && y + 1 + row < pl_pty_rows(pty)) {
            while (pl_pty_cell_at(pty, y, col).code != 'c' ||
                   pl_pty_cell_at(pty, y, col + 1).code != 'h') {
                col++;
            }
            return atoi(pl_pty_row(pty, y + 1 + row, col - 1, col + 5));
        }
    }
    return -1;
}

/* Sorted by the inputs' ratio the worst layer is first; its table names channels and tokens; the
 * channel that is marked there is marked in the plot and in the token view. */
static void inspect(const char *worst)
{
    char text[64];
    sees("input \u00d7 median"); /* known of some layer */
    type("o");
    sees("by input");
    for (int i = 0; i < 40 && !selects(pty, worst); i++) { /* scores come in by and by */
        type("g");
        pl_pty_run(pty, 0.25);
    }
    sees_selected(worst);
    pl_pty_rest(pty, 0.3, patience());
    type("j");
    pl_pty_rest(pty, 0.2, patience());
    type("k");
    sees_selected(worst);
    type("s"); /* inputs */
    sees("max |x| per channel");
    sees("token"); /* a column of the table */
    pl_pty_rest(pty, 0.3, patience());
    type("\t\tj"); /* to the table, and down */
    snprintf(text, sizeof text, " %d: ", channel_of_row(1));
    sees(text); /* beside the plot: what the crosshair is on */
    type(":view main=tokens\r");
    sees("Tokens");
    pl_pty_wait_gone(pty, "computing", patience());
    snprintf(text, sizeof text, "channel %d", channel_of_row(1));
    sees(text);
    leave();
}

static void test_inspect_demo(void **state)
{
    (void)state;
    start_demo(40, 120);
    inspect("1.down_proj");
}

/* --- the strength, live ----------------------------------------------------------------------- */

static void solved(void)
{
    if (pl_pty_wait(pty, is_other, &(change){.word = "group max", .before = ""}, patience()) < 0) {
        wrong("no numbers");
    }
    sees(" iterations,");
    pl_pty_rest(pty, 0.3, patience());
}

static void tune(void)
{
    type(" ");
    solved();
    change at_first = remember("group max");
    type("\033OC");
    changes(&at_first);
    solved();
    pl_pty_wait_gone(pty, "preview", patience());
    change at_second = remember("group max");
    type(":pin\r");
    sees("pin");
    type("\033OC\033OC");
    changes(&at_second);
    solved();
    pl_pty_wait_gone(pty, "preview", patience());
    type(":unpin\r");
    pl_pty_run(pty, 0.3);
    type(":undo\r:undo\r:undo\r:undo\r");
    comes_back(&at_first);
    type(":redo\r");
    comes_back(&at_second);
    leave();
}

static void test_tune_demo(void **state)
{
    (void)state;
    start_demo(40, 120);
    type(":select 1.down_proj\r");
    sees("1.mlp.down_proj");
    tune();
}

/* --- a figure for the paper ------------------------------------------------------------------- */

static void test_export_histogram(void **state)
{
    (void)state;
    char path[600];
    start_demo(40, 120);
    type(":select 1.down_proj\r:solve\r");
    sees("1 solved");
    type(":view main=histogram\r");
    sees("Histogram");
    type("\te"); /* the main pane; the prompt asks for the file */
    sees(":plot histogram");
    sees("file=");
    type("\025plot histogram which=both preset=icml file=fig.png\r");
    sees("fig.png");
    snprintf(path, sizeof path, "%s/fig.png", own_folder.folder);
    for (int i = 0; i < 100 && access(path, R_OK) != 0; i++) {
        pl_pty_run(pty, 0.05);
    }
    assert_int_equal(access(path, R_OK), 0);
    type(":rebuild fig.png\r");
    sees("same");
    leave();
}

/* --- the same on a real model ----------------------------------------------------------------- */

static bool start_smollm2(void)
{
    const char *model = getenv("PLANISH_SMOLLM2");
    const char *shared = getenv("PLANISH_SHARED");
    if (getenv("PLANISH_TEST_ALL") == NULL || model == NULL || shared == NULL) {
        return false;
    }
    char line[1200];
    pty = pl_pty_start(own_folder.folder, 40, 120, "xterm-256color", "C.UTF-8",
                       (const char *const[]){model, NULL});
    sees("210 layers");
    type("!");
    snprintf(line, sizeof line, ":calibrate text=%s/data/wikitext2-valid.txt windows=2\r", shared);
    type(line);
    pl_pty_wait_text(pty, "calibrated 1,024 tokens", 60 * pl_pty_patience());
    return true;
}

static void test_inspect_smollm2(void **state)
{
    (void)state;
    if (!start_smollm2()) {
        skip();
    }
    pl_pty_rest(pty, 1, patience());
    inspect("11.down_proj");
}

static void test_tune_smollm2(void **state)
{
    (void)state;
    if (!start_smollm2()) {
        skip();
    }
    type(":select 15.q_proj\r");
    sees("15.self_attn.q_proj");
    tune();
}

/* --- learn a transform, watched --------------------------------------------------------------- */

static void test_learning(void **state)
{
    (void)state;
    start_demo(40, 130);
    type(":method rtn bits=4 group_size=0; method flatquant steps=20000; view main=learning\r");
    sees("has not been learned yet");
    type("r");
    sees("of 20000");
    sees("steps/s");
    type("r");
    sees("paused: `learn` goes on");
    type("R");
    sees("has not been learned yet");
    type(":method flatquant steps=60; view main=transform\r");
    sees("not learned yet");
    type(" "); /* a solve learns first */
    sees("1 solved");
    type(":view main=learning\r");
    sees("step 60 of 60");
    type("t");
    sees("method none slot=transform");
    type("t");
    sees("method smoothquant");
    leave();
}

/* A solve that waits for a transform to be learned waits through a pause, too; meanwhile nothing of
 * the former transform is shown under the new one's name. */
static void test_promised_solve(void **state)
{
    (void)state;
    start_demo(40, 130);
    type(":select 1.q_proj; method rtn bits=4 group_size=0; method hadamard\r");
    sees("hadamard");
    type(" ");
    sees("1 solved");
    type(":method flatquant steps=600 rows=256\r");
    sees("solves when learned");
    pl_pty_wait_gone(pty, "1 solved", patience());
    type("r");
    sees("goes on where it was and solves then");
    sees("solves when learned");
    type("r");
    sees("1 solved");
    pl_pty_wait_gone(pty, "solves when learned", patience());
    leave();
}

/* A typed line does what it does in a batch: a method that is named takes the default's place; a
 * key that turns what is shown keeps the rest. */
static void test_one_default(void **state)
{
    (void)state;
    start_demo(40, 130);
    sees("astro \u2192 gptq");
    type(":method rtn bits=3\r");
    sees("none \u2192 rtn");
    type(":undo\r");
    sees("astro \u2192 gptq");
    type("\033OC"); /* the strength */
    sees(" iterations,");
    type(":method rtn bits=3\r");
    sees("astro \u2192 rtn");
    leave();
}

/* The sweep's mark follows the parameter. */
static void test_sweep_now(void **state)
{
    (void)state;
    start_demo(40, 130);
    type(":select 1.q_proj; method astro beta=3e-4; method rtn bits=3; sweep beta=1e-4:1e-2:log3;"
         "view main=sweep\r");
    sees("now 0.0003");
    type(":method astro beta=1e-3\r");
    sees("now 0.001");
    type(":select 3.down_proj\r"); /* the heading, the mark and Enter stay with what was swept */
    sees("down_proj  [144, 400]");
    sees("Sweep  1.self_attn.q_proj  [144, 144]");
    sees("now 0.001");
    type("\t\033[H\r");
    sees(">\u20221.q_proj");
    sees("now 0.0001");
    type(":sweep all bits=2:3:lin2\r");
    sees("Sweep  all layers");
    leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_inspect_demo), SCREEN(test_tune_demo),       SCREEN(test_export_histogram),
        SCREEN(test_learning),     SCREEN(test_promised_solve),  SCREEN(test_sweep_now),
        SCREEN(test_one_default),  SCREEN(test_inspect_smollm2), SCREEN(test_tune_smollm2),
    };
    /* The real model's belong to the long sweeps: without --all they are not among the tests. */
    size_t count = sizeof tests / sizeof tests[0];
    count -= getenv("PLANISH_TEST_ALL") == NULL ? 2 : 0;
    return _cmocka_run_group_tests("stories", tests, count, NULL, NULL);
}
