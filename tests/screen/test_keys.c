/* Thousands of random keys, commands and sizes against planish in a terminal, built with the
 * address and undefined-behaviour sanitizers where there is such a build (PLANISH_ASAN_BIN).
 *
 * 6,000 keys; with PLANISH_TEST_ALL 20,000.  PLANISH_FUZZ_SEED chooses another sequence; a failure
 * prints the seed and the last keys.  Everything runs in a folder of the test's own. */
#include "tests/screen/own_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"

enum { BURST = 50, LAST = 400 };

static pl_rng rng;
static uint64_t seed;
static char last[LAST + 1]; /* what was sent last, escaped */

static void seed_keys(void)
{
    const char *text = getenv("PLANISH_FUZZ_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    pl_rng_init(&rng, seed);
}

static size_t below(size_t n)
{
    return (size_t)pl_rng_below(&rng, n);
}

static void print_errors(void)
{
    char path[600];
    char line[512];
    snprintf(path, sizeof path, "%s/stderr", own_folder.folder);
    FILE *file = fopen(path, "r");
    for (int i = 0; file != NULL && i < 60 && fgets(line, sizeof line, file) != NULL; i++) {
        fputs(line, stderr);
    }
    if (file != NULL) {
        fclose(file);
    }
}

static _Noreturn void wrong(const char *what)
{
    fprintf(stderr, "seed %llu: %s; last keys %s\n%s\n", (unsigned long long)seed, what, last,
            pl_pty_text(pty));
    print_errors();
    fail();
    abort(); /* never reached: fail() jumps */
}

/* --- keys ------------------------------------------------------------------------------------- */

static void send_keys(const char *keys)
{
    char shown[200] = "";
    for (const char *s = keys; *s != '\0' && strlen(shown) < sizeof shown - 5; s++) {
        char *end = shown + strlen(shown);
        unsigned char c = (unsigned char)*s;
        snprintf(end, 5, c >= 0x20 && c < 0x7f ? "%c" : "\\%03o", c);
    }
    size_t size = strlen(shown) + 1;
    size_t used = strlen(last);
    size_t drop = used + size > LAST ? used + size - LAST : 0;
    memmove(last, last + drop, used - drop + 1);
    strcat(last, " ");
    strcat(last, shown);
    pl_pty_feed(pty, keys, strlen(keys));
}

/* Every binding that does not leave, suspend or write where it should not. */
static const char *const keys[] = {
    "\033OA", "\033OB", "\033OC",  "\033OD", "\033[1;2C", "\033[1;2D", "\033[5~", "\033[6~",
    "\033OH", "\033OF", "k",       "j",      "h",         "l",         "<",       ">",
    "\r",     "\r",     "v",       "v",      "V",         "f",         "|",       "z",
    "n",      "N",      "o",       "d",      "y",         "+",         "=",       "-",
    "0",      "\002",   "\006",    "g",      "G",         "s",         "w",       " ",
    "u",      "\022",   "\t",      "\t",     "\033[Z",    "J",         "T",       "?",
    "\033OP", "\014",   "\020",    "/",      ":",         "1",         "2",       "9",
    ".",      "5j",     "12l",     "3u",     "p",         "P",         "i",       "x",
    "\033",   "\177",   "\033[3~", "a",      "e-3",       "L",         "M",       "!",
};

static const char *const commands[] = {
    "select 1.q_proj",
    "select 2.down_proj",
    "select 3.mlp.gate_proj channel=7",
    "select 99.q",
    "method astro beta=1e-3",
    "method astro beta=nan",
    "method gptq bits=3",
    "method rtn bits=4",
    "method none slot=precondition",
    "method gptq bits=99",
    "method magr",
    "solve",
    "solve",
    "view main=histogram",
    "view main=layers",
    "view main=box form=input",
    "view main=tokens",
    "view main=groups",
    "view main=spectrum",
    "view main=sweep",
    "view main=outliers",
    "view main=log",
    "view second=channels split=yes",
    "view zoom=tuner",
    "view zoom=no split=no",
    "view side=input",
    "view side=weight which=after",
    "view table=histogram",
    "view table=outliers",
    "select channel=3",
    "select channel=none",
    "filter q_proj",
    "filter input_ratio > 4",
    "filter none",
    "filter (((",
    "theme light",
    "theme none",
    "theme dark",
    "marks ascii",
    "marks blocks",
    "marks braille",
    "pin",
    "unpin",
    "keep A",
    "keep B",
    "keep A; compare A",
    "compare all numbers=yes",
    "compare",
    "use A",
    "unkeep all",
    "undo",
    "redo",
    "cancel",
    "jobs",
    "log",
    "help",
    "help plot",
    "tour on",
    "tour off",
    "info",
    "layers",
    "outliers",
    "massive",
    "probe \"a b\"",
    "sweep beta=1e-4:1e-2:log3",
    "perplexity windows=1",
    "save",
    "sessions",
    "sessions open 1",
    "resume",
    "nosuch",
    "",
    "plot channels file=a.png",
    "plot histogram file=b.svg",
    "select 0.q_proj; solve",
};

static void resize(void)
{
    static const int sizes[][2] = {{1, 1},   {5, 20},  {11, 43},  {12, 44},  {16, 60},
                                   {24, 80}, {24, 80}, {40, 120}, {50, 200}, {80, 300}};
    size_t i = below(sizeof sizes / sizeof *sizes);
    int by = (int)below(9);
    pl_pty_resize(pty, sizes[i][0] + by, sizes[i][1] + 2 * by);
}

static void some_text(void)
{
    char text[24];
    size_t n = 1 + below(sizeof text - 1);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)(0x20 + below(0x5f));
    }
    text[n < sizeof text ? n : sizeof text - 1] = '\0';
    /* No quitting in the middle, no command made by chance. */
    for (char *s = text; *s != '\0'; s++) {
        *s = *s == 'q' || *s == ':' || *s == 'e' || *s == 'c' || *s == 'X' || *s == 'S' ? 'r' : *s;
    }
    send_keys(text);
}

/* A click, a drag or a turn of the wheel, now and then a report that means nothing or is cut off.
 */
static void some_mouse(void)
{
    static const int buttons[] = {0, 0, 0, 32, 64, 65, 66, 68, 1, 35, 200, -1};
    char text[96];
    const int button = buttons[below(sizeof buttons / sizeof *buttons)];
    const int x = (int)below((size_t)pl_pty_cols(pty)) + (int)below(2);
    const int y = (int)below((size_t)pl_pty_rows(pty)) + (int)below(2);
    if (button < 0) {
        snprintf(text, sizeof text, "\033[<0;%d", x);
    } else if (below(3) == 0) {
        snprintf(text, sizeof text, "\033[<0;%d;%dM\033[<32;%d;%dM\033[<0;%d;%dm", x, y,
                 (int)below(90), y, (int)below(90), (int)below(30));
    } else {
        snprintf(text, sizeof text, "\033[<%d;%d;%d%c", button, x, y, below(3) == 0 ? 'm' : 'M');
    }
    send_keys(text);
}

/* Returns how many keys it was. */
static int one_thing(void)
{
    size_t what = below(100);
    if (what < 4) {
        char line[200];
        /* Escapes first: whatever is open is closed, so that this is a command. */
        snprintf(line, sizeof line, "\033:%s\r",
                 commands[below(sizeof commands / sizeof *commands)]);
        send_keys(line);
        return 3;
    }
    if (what < 6) {
        some_text();
        return 10;
    }
    if (what < 8) {
        resize();
        return 1;
    }
    if (what < 16) {
        some_mouse();
        return 1;
    }
    send_keys(keys[below(sizeof keys / sizeof *keys)]);
    return 1;
}

/* --- what must hold --------------------------------------------------------------------------- */

static bool shows(pl_pty *p, const void *ctx)
{
    return pl_pty_shows(p, ctx);
}

static bool has_header(pl_pty *p, const void *ctx)
{
    (void)ctx;
    return strstr(pl_pty_row(p, 0, 0, pl_pty_cols(p)), "planish") != NULL;
}

/* Whatever was open, planish answers to a command at a usual size.  What ends in the same moment
 * may say its own word in the answer's place: it is asked again. */
static void check_alive(int round)
{
    char command[64];
    char answer[64];
    bool answers = false;
    pl_pty_resize(pty, 24, 80);
    for (int i = 0; i < 4; i++) { /* prompt, palette, help, filter; a pause makes them Escapes */
        send_keys("\033");
        pl_pty_run(pty, 0.06);
    }
    for (int i = 0; i < 5 && !answers; i++) {
        snprintf(command, sizeof command, "\033:xyz%d\r", 10 * round + i);
        snprintf(answer, sizeof answer, "\"xyz%d\"", 10 * round + i);
        send_keys(command);
        answers = pl_pty_wait(pty, shows, answer, patience() / 2.5) >= 0;
        if (pl_pty_ended(pty)) {
            wrong("planish has ended");
        }
    }
    if (!answers) {
        wrong("planish does not answer");
    }
    send_keys("\033");
    /* The answer may have come in a last frame of the size before. */
    if (pl_pty_wait(pty, has_header, NULL, 2 * patience()) < 0) {
        wrong("the header is gone");
    }
}

static void check_quit(void)
{
    double seconds = 0;
    send_keys("\033:quit\r");
    int status = pl_pty_wait_end(pty, 2 * patience(), &seconds);
    if (status != 0) {
        fprintf(stderr, "exit status %d\n", status);
        wrong("it did not end well");
    }
    assert_false(pl_pty_alternate(pty));
    assert_true(pl_pty_cooked(pty));
    char path[600];
    snprintf(path, sizeof path, "%s/stderr", own_folder.folder);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        bool empty = fgetc(file) == EOF;
        fclose(file);
        if (!empty) {
            wrong("something was said on standard error");
        }
    }
    pl_pty_stop(pty);
    pty = NULL;
}

static void start(void)
{
    static char err[600];
    static char leaks[1100];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(leaks, sizeof leaks, "suppressions=%s/tests/support/lsan.supp:print_suppressions=0",
             root != NULL ? root : ".");
    const char *const env[] = {"ASAN_OPTIONS",
                               "detect_leaks=1:strict_string_checks=1:"
                               "handle_segv=1:allow_user_segv_handler=0:"
                               "handle_abort=1:abort_on_error=0",
                               "UBSAN_OPTIONS",
                               "halt_on_error=1:print_stacktrace=1",
                               "LSAN_OPTIONS",
                               leaks,
                               NULL};
    snprintf(err, sizeof err, "%s/stderr", own_folder.folder);
    pty = pl_pty_start_with(
        own_folder.folder, 24, 80, "xterm-256color", "C.UTF-8", NULL,
        &(pl_pty_options){.program = getenv("PLANISH_ASAN_BIN"), .env = env, .err = err});
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", 2 * patience());
}

static void test_random_keys(void **state)
{
    (void)state;
    seed_keys();
    int wanted = getenv("PLANISH_TEST_ALL") != NULL ? 20000 : 6000;
    int count = 0;
    start();
    for (int round = 0; count < wanted; round++) {
        for (int end = count + BURST; count < end;) {
            count += one_thing();
        }
        pl_pty_rest(pty, 0.01, 0.2);
        if (pl_pty_ended(pty)) {
            wrong("planish has ended");
        }
        if (round % 10 == 9) {
            check_alive(round);
        }
    }
    check_alive(0);
    check_quit();
    /* The session is whole: it is opened, and its state comes back. */
    start();
    send_keys("L");
    if (pl_pty_wait(pty, shows, "error:", 1) >= 0) {
        wrong("the last session does not come back");
    }
    check_alive(1);
    check_quit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_random_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
