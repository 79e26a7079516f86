/* Figures as images, in a terminal that answers that it shows them, and in one that does not. */
#include "plots/provenance.h"
#include "plots/raster.h"
#include "tests/screen/own_screen.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

/* The questions, the answers of a terminal whose cells have 10 x 20 pixels, and what is sent. */
#define ASKS "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\"
#define KITTY "\033_Gi=31;OK\033\\"
#define SIXEL "\033[?62;1;4;22c"
#define CELL "\033[6;20;10t"
#define KITTY_IMAGE "\033_Ga=T,"
#define KITTY_GONE "\033_Ga=d,d=I,i=32,q=2\033\\"
#define SIXEL_IMAGE "\033P"

static pl_buf stream; /* since heard() was called last */

static void forget_stream(void)
{
    pl_buf_deinit(&stream);
}

static void start_with(const char *term, const char *const *env)
{
    const pl_pty_options options = {.env = env};
    pty = pl_pty_start_with(own_folder.folder, 24, 80, term, "C.UTF-8", NULL, &options);
    (void)pl_pty_record(pty);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_send(pty, "!"); /* no tour */
    pl_pty_rest(pty, 0.3, patience());
}

static void quit(void)
{
    double seconds = 0;
    pl_pty_send(pty, "q");
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
}

static void collect(void)
{
    pl_buf_puts(&stream, pl_pty_record(pty));
}

static void forget(void)
{
    collect();
    pl_buf_deinit(&stream);
    pl_buf_puts(&stream, "");
}

static bool has_come(pl_pty *p, const void *what)
{
    (void)p;
    collect();
    return strstr(stream.data, what) != NULL;
}

static void expect_sent(const char *what)
{
    if (pl_pty_wait(pty, has_come, what, patience()) < 0) {
        fprintf(stderr, "\"%s\" was not sent:\n%s\n", what + 1, pl_pty_text(pty));
        fail();
    }
}

static bool was_sent(const char *what)
{
    return has_come(pty, what);
}

static void rest(void)
{
    pl_pty_rest(pty, 0.4, patience());
}

static void test_nothing_unasked(void **state)
{
    (void)state;
    start_with("xterm-256color", NULL);
    pl_pty_send(pty, "jj");
    rest();
    pl_pty_send(pty, KITTY SIXEL CELL); /* answers to what was not asked */
    rest();
    assert_false(was_sent("\033_") || was_sent(SIXEL_IMAGE) || was_sent("\033[c"));
    pl_pty_send(pty, ":pixels maybe\r");
    pl_pty_wait_text(pty, "pixels maybe: expected yes, no or auto", patience());
    quit();
}

static void test_no_answer(void **state)
{
    (void)state;
    start_with("xterm-256color", NULL);
    forget();
    pl_pty_send(pty, ":pixels auto\r");
    pl_pty_wait_text(pty, "pixels: an image where the terminal shows them", patience());
    rest();
    assert_true(was_sent(ASKS));
    pl_pty_send(pty, ":pixels yes\r");
    pl_pty_wait_text(pty, "this terminal does not answer that it shows images", patience());
    assert_true(pl_pty_shows(pty, "channel")); /* the plot of characters is there */
    rest();
    assert_false(was_sent(KITTY_IMAGE) || was_sent(SIXEL_IMAGE));
    quit();
    pl_pty_stop(pty);
    const char *const env[] = {"NO_COLOR", "1", NULL};
    start_with("xterm-256color", env);
    forget();
    pl_pty_send(pty, ":pixels yes\r");
    pl_pty_wait_text(pty, "this terminal has no colours (NO_COLOR), or does not answer",
                     patience());
    pl_pty_send(pty, KITTY CELL);
    rest();
    assert_false(was_sent("\033_"));
    quit();
}

static unsigned six_bits(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return c == '=' ? 0 : (unsigned)(strchr(digits, c) - digits);
}

/* The PNG of the last image in the stream to a file; its size. */
static void decode(const char *name, unsigned *width, unsigned *height)
{
    pl_buf png = {0};
    const char *at = NULL;
    for (const char *s = stream.data; (s = strstr(s, KITTY_IMAGE)) != NULL; s++) {
        at = s;
    }
    assert_non_null(at);
    for (bool more = true; more;) {
        at = strchr(at, ';') + 1;
        more = at[-2] == '1';
        for (; *at != '\033'; at += 4) {
            const unsigned bits = six_bits(at[0]) << 18 | six_bits(at[1]) << 12 |
                                  six_bits(at[2]) << 6 | six_bits(at[3]);
            const char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
            pl_buf_append(&png, bytes, at[3] != '=' ? 3 : at[2] != '=' ? 2 : 1);
        }
    }
    const unsigned char *head = (const unsigned char *)png.data + 16;
    *width = (unsigned)head[2] << 8 | head[3];
    *height = (unsigned)head[6] << 8 | head[7];
    pl_temp_write(&own_folder, name, png.data, png.size);
    pl_buf_deinit(&png);
}

/* Where the last image in the stream was put: "ESC 7 ESC [ row ; col H" stand before it. */
static void find_place(const char *image, int *row, int *col)
{
    const char *at = NULL;
    for (const char *s = stream.data; (s = strstr(s, image)) != NULL; s++) {
        at = s;
    }
    assert_non_null(at);
    while (at > stream.data && strncmp(at, "\0337", 2) != 0) {
        at--;
    }
    assert_int_equal(sscanf(at, "\0337\033[%d;%dH", row, col), 2);
}

static void expect_exported(void)
{
    unsigned width = 0, height = 0;
    size_t pixels = 0, differ = 1;
    int largest = 0;
    char size[160], pattern[600], shown[600];
    pl_error err = {0};
    glob_t found = {0};
    decode("shown.png", &width, &height);
    const double dpi = 20.0 * 72 / 14;
    snprintf(size, sizeof size, " width=%.17gin height=%.17gin dpi=%.17g\r", width / dpi,
             height / dpi, dpi);
    pl_pty_send(pty, "e");
    pl_pty_wait_text(pty, ".png", patience());
    pl_pty_send(pty, size);
    snprintf(pattern, sizeof pattern, "%s/*channels*.png", own_folder.folder);
    snprintf(shown, sizeof shown, "%s/shown.png", own_folder.folder);
    for (int i = 0; i < 100 && glob(pattern, 0, NULL, &found) != 0; i++) {
        pl_pty_run(pty, 0.1);
    }
    assert_int_equal(found.gl_pathc, 1);
    pl_check_ok(pl_png_compare(found.gl_pathv[0], shown, &pixels, &differ, &largest, &err), err);
    assert_int_equal(pixels, width * height);
    assert_int_equal(differ, 0);
    globfree(&found);
}

static void test_kitty(void **state)
{
    (void)state;
    int row = 0, col = 0;
    unsigned width = 0, height = 0;
    start_with("xterm-256color", NULL);
    pl_pty_mute(pty);
    forget();
    pl_pty_send(pty, ":pixels yes\r");
    expect_sent(ASKS);
    pl_pty_send(pty, KITTY CELL);
    expect_sent(KITTY_IMAGE);
    rest();
    collect();
    /* The main pane's plot, below its title and what the crosshair says, as export writes it. */
    find_place(KITTY_IMAGE, &row, &col);
    assert_in_range(row, 3, 6);
    assert_in_range(col, 20, 40);
    decode("place.png", &width, &height);
    assert_int_equal(width, 10 * (80 - col + 1));
    assert_in_range(height, 120, 20 * 14);
    assert_false(pl_pty_shows(pty, "channel "));
    assert_true(pl_pty_shows(pty, "before"));
    expect_exported();
    rest();
    /* The figure of a line that is typed, with its options and its page's shape. */
    forget();
    pl_pty_send(pty, "e");
    expect_sent(KITTY_IMAGE);
    pl_pty_wait_text(pty, "Enter writes", patience());
    rest();
    forget();
    pl_pty_send(pty, " width=4in height=2in xlim=20:40");
    rest();
    collect();
    decode("typed.png", &width, &height);
    assert_in_range(width, 2 * height - 2, 2 * height + 2);
    expect_less(30 * 4 - 1, width);
    forget();
    pl_pty_send(pty, " title=");
    rest();
    pl_pty_send(pty, "'W_0'");
    expect_sent(KITTY_IMAGE);
    pl_pty_send(pty, "\033");
    rest();
    /* What lies over the panes takes it away. */
    static const char *const over[][2] = {
        {"?", "\033"}, {"\020", "\033"}, {":", "\033"}, {"J", "\033"}};
    for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
        forget();
        pl_pty_send(pty, over[i][0]);
        expect_sent(KITTY_GONE);
        rest();
        assert_false(was_sent(KITTY_IMAGE));
        forget();
        pl_pty_send(pty, over[i][1]);
        expect_sent(KITTY_IMAGE);
        rest();
    }
    /* The crosshair goes on: another channel, its number, its image at the same place. */
    forget();
    pl_pty_send(pty, "\t");
    rest();
    pl_pty_send(pty, "\033[C");
    expect_sent(KITTY_IMAGE);
    assert_false(was_sent(KITTY_GONE));
    /* Another size. */
    rest();
    forget();
    pl_pty_resize(pty, 40, 120);
    expect_sent(KITTY_GONE);
    expect_sent(KITTY_IMAGE);
    rest();
    collect();
    decode("larger.png", &width, &height);
    expect_less(20 * 14, height);
    /* A table stays text. */
    forget();
    pl_pty_send(pty, ":view main=outliers\r");
    expect_sent(KITTY_GONE);
    rest();
    assert_false(was_sent(KITTY_IMAGE));
    pl_pty_send(pty, ":view main=histogram\r");
    expect_sent(KITTY_IMAGE);
    rest();
    forget();
    pl_pty_send(pty, "q");
    expect_sent(KITTY_GONE);
    pl_pty_stop(pty);
    /* It is remembered, and so is no. */
    start_with("xterm-256color", NULL);
    forget();
    pl_pty_send(pty, KITTY CELL);
    expect_sent(KITTY_IMAGE);
    rest();
    forget();
    pl_pty_send(pty, ":pixels no\r");
    pl_pty_wait_text(pty, "pixels off: plots of characters", patience());
    expect_sent(KITTY_GONE);
    rest();
    assert_true(pl_pty_shows(pty, "channel"));
    quit();
    pl_pty_stop(pty);
    start_with("xterm-256color", NULL);
    pl_pty_send(pty, KITTY CELL);
    rest();
    assert_false(was_sent(KITTY_IMAGE));
    quit();
}

static void test_sixel(void **state)
{
    (void)state;
    int row = 0, col = 0;
    if (!pl_raster_has_sixel()) {
        skip();
    }
    start_with("xterm-256color", NULL);
    pl_pty_mute(pty);
    forget();
    pl_pty_send(pty, ":pixels yes\r");
    expect_sent(ASKS);
    pl_pty_send(pty, SIXEL CELL);
    expect_sent(SIXEL_IMAGE);
    pl_pty_wait_text(pty, "as export writes it (sixel)", patience());
    rest();
    collect();
    find_place(SIXEL_IMAGE, &row, &col);
    assert_in_range(row, 3, 6);
    assert_in_range(col, 20, 40);
    /* A sixel goes with its cells: the screen is cleared. */
    forget();
    pl_pty_send(pty, "?");
    expect_sent("\033[2J");
    pl_pty_wait_text(pty, "Planish help", patience());
    rest();
    assert_false(was_sent(SIXEL_IMAGE));
    forget();
    pl_pty_send(pty, "\033");
    expect_sent(SIXEL_IMAGE);
    /* Nothing arrives as keys: Alt and _ is a key that does nothing, with or without more. */
    rest();
    pl_pty_send(pty, "\033_");
    pl_pty_send(pty, "\033_Gi=31;no\033\\");
    rest();
    pl_pty_send(pty, "\033_jj");
    pl_pty_wait_text(pty, "0.self_attn.v_proj", patience());
    quit();
}

int main(void)
{
    before_tear_down = forget_stream;
    const struct CMUnitTest tests[] = {SCREEN(test_nothing_unasked), SCREEN(test_no_answer),
                                       SCREEN(test_kitty), SCREEN(test_sixel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
