/* Stored screens: every view and overlay on the built-in demo, at three sizes, with 256, 8 and no
 * colours and in plain ASCII, in a real pseudo-terminal, compared with tests/screen/stored.
 *
 * tests/screen/store makes the stored ones anew (PLANISH_STORE_SCREENS=1). */
#include "tests/screen/pty.h"
#include "tests/screen/shot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/check.h"
#include "tests/support/temp.h"

typedef struct mode {
    const char *name, *term, *locale;
    const char *env[3];
} mode;

static const mode modes[] = {
    {"256", "xterm-256color", "C.UTF-8", {NULL}},
    {"8", "xterm", "C.UTF-8", {NULL}},
    {"none", "xterm-256color", "C.UTF-8", {"NO_COLOR", "1", NULL}},
    {"ascii", "xterm-256color", "C", {NULL}},
};

enum { SIZES = 3 };
static const struct {
    int rows, cols;
} sizes[SIZES] = {{24, 80}, {40, 120}, {50, 200}};

/* What is sent, and the scene's name; NULL: nothing is compared, the screen comes to rest. */
typedef struct scene {
    const char *name, *keys;
    bool small; /* at the smallest size only */
} scene;

static const scene scenes[] = {
    {"first", "", false},
    {NULL, "!", false},
    {NULL, ":select 1.q_proj\r", false},
    {NULL, ":method gptq\r", false},
    {NULL, ":method astro beta=1e-3\r", false},
    {NULL, ":solve\r", false},
    {NULL, ":sweep beta=1e-4:1e-2:log5\r", false},
    {"channels", ":view main=channels\r", false},
    {"histogram", ":view main=histogram\r", false},
    {"layers", ":view main=layers\r", false},
    {"box", ":view main=box\r", false},
    {"tokens", ":view main=tokens\r", false},
    {"groups", ":view main=groups\r", false},
    {"spectrum", ":view main=spectrum\r", false},
    {"basin", ":view main=basin\r", false},
    {"flatness", ":view main=flatness\r", false},
    {"sweep", ":view main=sweep\r", false},
    {"outliers", ":view main=outliers\r", false},
    {"surface", ":view main=surface side=input\r", true},
    {"envelope", ":view main=envelope side=weight\r", true},
    {"error_by_block", ":view main=error_by_block\r", true},
    {"channels_by_block", ":view main=channels_by_block\r", true},
    {"depth", ":view main=depth\r", true},
    {"log", ":view main=log\r", false},
    {NULL, ":view main=channels\r", false},
    {"inputs", ":view side=input\r", false},
    {"split", ":view side=weight split=yes second=histogram\r", true},
    {"zoom", ":view split=no zoom=table\r", true},
    {NULL, ":view zoom=no\r", false},
    {NULL, ":keep strong\r", false},
    {NULL, ":method astro beta=1e-4\r", false},
    {"compare", ":compare strong\r", true},
    {"compare-groups", ":view main=groups\r", true},
    {NULL, ":compare\r", false},
    {NULL, ":unkeep strong\r", false},
    {NULL, ":method astro beta=1e-3\r", false},
    {NULL, ":view main=channels\r", false},
    {"help", "?", true},
    {NULL, "\033", false},
    {"palette", "\020lay", true},
    {NULL, "\033", false},
    {"filter", "/input_ratio > 5", true},
    {NULL, "\033", false},
    {"completion", ":calibrate te\t", true},
    {NULL, "\033", false},
    {"error", ":method gptq bits=99\r", true},
    {NULL, ":plot outliers file=c.csv\r", false},
    {"question", ":plot outliers file=c.csv\r", true},
    {NULL, "n:method gptq bits=3; method gptq bits=4\r", false},
    {"undo", "u", true},
};

static pl_temp temp;
static pl_pty *ptys[SIZES];

static bool storing(void)
{
    const char *value = getenv("PLANISH_STORE_SCREENS");
    return value != NULL && value[0] != '\0' && strcmp(value, "0") != 0;
}

static int set_up(void **state)
{
    (void)state;
    pl_temp_init(&temp);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        pl_pty_stop(ptys[i]);
        ptys[i] = NULL;
    }
    pl_temp_deinit(&temp);
    return 0;
}

/* Three screens with homes of their own and one store. */
static void start_all(const mode *m)
{
    static const char *const threads[] = {"--threads", "2", NULL};
    char cache[600];
    snprintf(cache, sizeof cache, "%s/cache", temp.folder);
    for (int i = 0; i < SIZES; i++) {
        char home[600];
        snprintf(home, sizeof home, "%s/%d", temp.folder, i);
        assert_int_equal(mkdir(home, 0700), 0);
        ptys[i] = pl_pty_start_with(home, sizes[i].rows, sizes[i].cols, m->term, m->locale, threads,
                                    &(pl_pty_options){.cache = cache, .env = m->env});
    }
}

typedef struct wanted {
    const pl_stored *stored;
    const char *mode;
} wanted;

static bool is_stored(pl_pty *pty, const void *ctx)
{
    const wanted *w = ctx;
    pl_shot shot = pl_shot_take(pty);
    bool same = pl_stored_is(w->stored, w->mode, &shot);
    pl_shot_deinit(&shot);
    return same;
}

/* Nothing is being computed for what is shown. */
static bool is_done(pl_pty *pty, const void *ctx)
{
    (void)ctx;
    static const char *const signs[] = {"computing", "solving", "calibration 4,096",
                                        "-      \u2026"}; /* a layer whose scores are to come */
    if (strchr(pl_pty_row(pty, 0, 0, pl_pty_cols(pty)), '%') != NULL ||
        strstr(pl_pty_row(pty, 0, 0, pl_pty_cols(pty)), "Esc cancels") != NULL) {
        return false;
    }
    const char *text = pl_pty_text(pty);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strstr(text, signs[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static void come_to_rest(pl_pty *pty, double quiet)
{
    double limit = 10 * pl_pty_patience();
    if (!pl_pty_rest(pty, quiet, limit) || pl_pty_wait(pty, is_done, NULL, limit) < 0 ||
        !pl_pty_rest(pty, quiet, limit) || pl_pty_ended(pty)) {
        fprintf(stderr, "the screen does not come to rest:\n%s\n", pl_pty_text(pty));
        fail();
    }
}

static void store(pl_pty *pty, const char *name, const char *in_mode)
{
    come_to_rest(pty, pty == ptys[0] ? 0.3 : 0.1);
    pl_shot shot = pl_shot_take(pty);
    pl_stored_write(name, pl_pty_rows(pty), pl_pty_cols(pty), in_mode, &shot);
    pl_shot_deinit(&shot);
}

static bool compare(pl_pty *pty, const char *name, const char *in_mode)
{
    pl_stored *stored = pl_stored_read(name, pl_pty_rows(pty), pl_pty_cols(pty));
    wanted w = {stored, in_mode};
    double limit = stored != NULL ? 5 * pl_pty_patience() : 0;
    bool same = pl_pty_wait(pty, is_stored, &w, limit) >= 0;
    if (!same) {
        pl_shot shot = pl_shot_take(pty);
        pl_stored_explain(stored, name, in_mode, &shot);
        pl_shot_deinit(&shot);
    }
    pl_stored_free(stored);
    return same;
}

static void check_mode(const mode *m)
{
    int wrong = 0;
    start_all(m);
    for (size_t s = 0; s < sizeof scenes / sizeof *scenes; s++) {
        for (int i = 0; i < SIZES; i++) {
            pl_pty_feed(ptys[i], scenes[s].keys, strlen(scenes[s].keys));
        }
        for (int i = 0; i < SIZES; i++) {
            if (scenes[s].name == NULL || (scenes[s].small && i > 0)) {
                /* The others had the same keys before the first came to rest. */
                come_to_rest(ptys[i], i == 0 ? 0.1 : 0.03);
            } else if (storing()) {
                store(ptys[i], scenes[s].name, m->name);
            } else {
                wrong += !compare(ptys[i], scenes[s].name, m->name);
            }
        }
        if (wrong > 5) {
            break; /* the rest would say the same */
        }
    }
    assert_int_equal(wrong, 0);
}

static void test_256(void **state)
{
    (void)state;
    if (storing()) {
        pl_stored_clear();
    }
    check_mode(&modes[0]);
}

static void test_8(void **state)
{
    (void)state;
    check_mode(&modes[1]);
}

static void test_no_colours(void **state)
{
    (void)state;
    check_mode(&modes[2]);
}

static void test_ascii(void **state)
{
    (void)state;
    check_mode(&modes[3]);
}

#define SCREEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    /* The last digits on a screen are those of BLAS's kernels and of how many threads share its
     * products: here of the kernels that every processor with AVX2 has, and of two threads. */
    setenv("OPENBLAS_CORETYPE", "Haswell", 1);
    const struct CMUnitTest tests[] = {
        SCREEN(test_256),
        SCREEN(test_8),
        SCREEN(test_no_colours),
        SCREEN(test_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
