/* The five questions that bring somebody here, on SmolLM2 in a real pseudo-terminal: which layers,
 * which strength, which of two, what is kept of work that ends early, the figure as it should be.
 * Each is asked with the keys and words that the screen itself offers, and is answered by what
 * stands on the screen and in the files.
 *
 * Two windows of text suffice; the tests share a store, so that the text goes through the model
 * but once. */
#include "tests/screen/own_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/shared.h"

static char text_path[PL_TEST_PATH];
static pl_temp store; /* of all, where there is none for more programs */

static void sees(const char *text)
{
    pl_pty_wait_text(pty, text, patience());
}

static void type(const char *keys, const char *then)
{
    pl_pty_send(pty, keys);
    sees(then);
}

/* Whoever comes first calibrates for all. */
static void start(void)
{
    const char *const args[] = {"--store", pl_test_smollm2_store(store.folder), pl_test_smollm2(),
                                NULL};
    pl_test_shared("data/wikitext2-valid.txt", text_path);
    pty = pl_pty_start(own_folder.folder, 40, 120, "xterm-256color", "C.UTF-8", args);
    sees("210 layers");
}

static void start_calibrated(void)
{
    char line[PL_TEST_PATH + 80];
    start();
    snprintf(line, sizeof line, ":calibrate text=%s windows=2\r", text_path);
    pl_pty_send(pty, line);
    pl_pty_wait_text(pty, "calibrated 1,024 tokens", 60 * pl_pty_patience());
    pl_pty_wait_text(pty, "input \u00d7 median", patience());
}

static void leave(void)
{
    pl_pty_leave(pty, patience());
    pty = NULL;
}

/* A file of the program's folder; the caller frees it. */
static char *file_text(const char *name)
{
    char path[PL_TEST_PATH];
    snprintf(path, sizeof path, "%s/%s", own_folder.folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s was not written:\n%s\n", path, pl_pty_text(pty));
        fail();
    }
    char *text = calloc(1, 1 << 22);
    assert_non_null(text);
    expect_less(0, fread(text, 1, (1 << 22) - 1, file));
    fclose(file);
    return text;
}

static void file_says(const char *name, const char *words)
{
    char *text = file_text(name);
    if (strstr(text, words) == NULL) {
        fprintf(stderr, "%s does not have \"%s\":\n%.2000s\n", name, words, text);
        fail();
    }
    free(text);
}

/* The number that stands behind the first such words on the screen. */
static double number_behind(const char *word)
{
    const char *at = strstr(pl_pty_text(pty), word);
    if (at == NULL) {
        fprintf(stderr, "no \"%s\":\n%s\n", word, pl_pty_text(pty));
        fail();
    }
    return strtod(at + strlen(word), NULL);
}

/* The layer in the first line of the list. */
static bool is_in_first_line(pl_pty *p, const void *ctx)
{
    return strstr(pl_pty_row(p, 3, 0, 28), ctx) != NULL;
}

static void first_is(const char *name)
{
    if (pl_pty_wait(pty, is_in_first_line, name, patience()) < 0) {
        fprintf(stderr, "%s is not first:\n%s\n", name, pl_pty_text(pty));
        fail();
    }
}

static void test_which_layers(void **state)
{
    (void)state;
    start_calibrated();
    /* The list by its inputs, then the other way round, then all of its columns. */
    type(">", "by input");
    first_is("11.down_proj");
    type("o", "by input \u2191");
    type("o", "by input \u2501");
    type("g", ">"); /* Home */
    type("z", "massive");
    sees("> 11.mlp.down_proj ");
    type("z", "Tuner");
    /* The same as a table, and as a file for the paper. */
    type(":layers sort=input_ratio top=5\r", "5 layers");
    sees("input_ratio");
    expect_close(number_behind("model.layers.11.mlp.down_proj"), 576, 0);
    const char *shown = pl_pty_text(pty);
    const char *first = strstr(shown, "model.layers.11.mlp.down_proj");
    const char *second = strstr(shown, "model.layers.28.mlp.down_proj");
    assert_non_null(second);
    assert_true(first < second);
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "Esc closes", patience());
    type(":layers sort=input_ratio top=5 file=worst.csv\r", "worst.csv");
    file_says("worst.csv", "model.layers.11.mlp.down_proj");
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "Esc closes", patience());
    type(":layers sort=worst\r", "error: layers: sort=worst: expected one of");
    /* Which channels, on which token; and is any of them massive? */
    type(":outliers all top=20\r", "20 channels");
    sees("1229");
    sees("relative");
    sees("outlier_in");
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "Esc closes", patience());
    type(":massive\r", "nearest: ");
    sees("x the median and");
    /* A filter that is wrong leaves the prompt; one by a column lists what it says. */
    type("/foo > 1\r", "input_ratio");
    type("\025input_ratio > 300\r", "28.down_proj");
    pl_pty_wait_gone(pty, "2.q_proj ", patience());
    leave();
}

static void test_which_strength(void **state)
{
    (void)state;
    start_calibrated();
    type(":select 12.q_proj\r", "12.self_attn.q_proj  [");
    /* The default is a target of 20 %, and it helps: the rounded error is below GPTQ's alone. */
    type(" ", "1 solved");
    sees("\u221220 %");
    assert_false(pl_pty_shows(pty, "the strength is too"));
    /* Too much is said to be too much. */
    type(":method astro target=0.5; method gptq bits=4\r", "alone: the strength is too");
    /* A goal, and how many solves it took; what is found is the layer's own. */
    type(":target group_max=-40%\r", "12.q_proj: beta ");
    sees("group max -40 %");
    sees(" solves");
    sees("\u221240 %");
    sees("astro own");
    const double forty = number_behind("12.q_proj: beta ");
    /* The least rounded error by a key of the tuner; it is a weaker strength here. */
    pl_pty_send(pty, "b");
    sees("b is a key of the pane Tuner");
    type("\t\t\tb", "rounded error ");
    const double best = number_behind("12.q_proj: beta ");
    expect_less(0, best);
    expect_less(best, forty);
    expect_less(number_behind("gap \u2264 "), 0.01);
    expect_at_most(number_behind(" %, "), 12);
    pl_pty_wait_gone(pty, "the strength is too", patience());
    type(":target 12.q_proj best\r", "rounded error ");
    type(":target best 12.q_proj\r", "rounded error ");
    /* A figure's commands have the value found. */
    type(":plot channels file=found.svg\r", "wrote found.svg");
    file_says("found.svg", "method astro beta=");
    /* Now it is known where the least is. */
    type(":method astro target=0.5\r", "smallest error near");
    leave();
}

static void test_which_of_two(void **state)
{
    (void)state;
    start_calibrated();
    type(":select 15.q_proj; method gptq bits=3; solve\r", "1 solved");
    type(":keep plain\r", "plain is kept: `use plain` goes back to it");
    type(":method astro target=0.35; solve\r", "\u221235 %");
    type(":compare plain\r", "side by side; `compare` ends it");
    sees("plain  gptq bits=3");
    sees("now  astro target=0.35 > gptq bits=3");
    type(":view main=groups\r", "Groups");
    sees("plain  gptq bits=3");
    type(":compare all 15.q_proj numbers=yes\r", "rounded_relative_error");
    sees("group_max_reduction");
    type("\033", "plain  gptq bits=3");
    type(":compare all 15.q_proj file=two.csv\r", "wrote two.csv");
    file_says("two.csv", "plain");
    file_says("two.csv", "now");
    file_says("two.csv", "group_max_reduction");
    type(":compare\r", "is beside the present setting any more");
    pl_pty_wait_gone(pty, "plain  gptq bits=3", patience());
    /* Going back is instant, and what was solved is there still; so is the other way. */
    type(":use plain\r", "1 layer of this setting is in the store");
    sees("none \u2192 gptq");
    type(":undo\r", "astro \u2192 gptq");
    sees("\u221235 %");
    leave();
}

static void test_work_that_is_not_lost(void **state)
{
    (void)state;
    start_calibrated();
    type(":select 15.q_proj; solve\r", "1 solved");
    /* Undo says what it takes back, also where that is what solving needs. */
    type("u", "undo: calibration");
    pl_pty_wait_gone(pty, "1 solved", patience());
    type(":redo\r", "1 solved");
    /* A long job that is left says what of it is kept, and how it goes on. */
    type(":solve all\r", "layers/s");
    type("\033", "are done and kept; :resume goes on");
    leave();
    /* The next start brings back the session, with its calibration and its log. */
    start();
    sees("L brings the last session back");
    type("L", "1 solved");
    sees("calibrated 1,024 tokens");
    sees("15.self_attn.q_proj  [");
    type(":log\r", "solve");
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "Esc closes", patience());
    type(":sessions\r", "SmolLM2");
    pl_pty_send(pty, "\033");
    pl_pty_wait_gone(pty, "Esc closes", patience());
    /* The solved layer is the store's: solved again it is there at once, with the same numbers. */
    type(":solve 15.q_proj\r", "solved");
    /* A model with hardly any solved layer is no result. */
    type(":export dir=out weights=rounded\r", "partial=yes");
    leave();
}

static void test_the_figure_as_its_author_wants_it(void **state)
{
    (void)state;
    start_calibrated();
    type(":select 15.q_proj; solve\r", "1 solved");
    /* `e` offers a name that says what it is. */
    type("\te", "file=15.q_proj-astro-gptq-w4-channels.png");
    type("\025plot channels title='W_0 and \\beta' names='before=W_0,after=Astro' "
         "legend=below xlim=0:300 text=8 font=dejavu preset=icml file=fig.svg\r",
         "wrote fig.svg");
    file_says("fig.svg", "<text");
    file_says("fig.svg", "Astro");
    file_says("fig.svg", "DejaVu");
    /* It is not replaced unasked. */
    char *before = file_text("fig.svg");
    type(":plot histogram file=fig.svg\r", "fig.svg is there already.  Replace it?");
    pl_pty_send(pty, "n");
    pl_pty_wait_gone(pty, "Replace it?", patience());
    char *after = file_text("fig.svg");
    assert_string_equal(before, after);
    free(before);
    free(after);
    /* It makes itself again, to the byte; and its numbers are a table. */
    type(":rebuild fig.svg\r", "same");
    type(":plot outliers file=t.tex\r", "t.tex");
    file_says("t.tex", "\\toprule");
    leave();
}

static int set_up_all(void **state)
{
    (void)state;
    pl_temp_init(&store);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    pl_temp_deinit(&store);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_which_layers),
        SCREEN(test_which_strength),
        SCREEN(test_which_of_two),
        SCREEN(test_work_that_is_not_lost),
        SCREEN(test_the_figure_as_its_author_wants_it),
    };
    return cmocka_run_group_tests_name("questions", tests, set_up_all, tear_down_all);
}
