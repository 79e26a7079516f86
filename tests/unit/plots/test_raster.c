/* Images for terminals, decoded again: kitty's is the PNG that a page is, pixel by pixel; sixel
 * loses at most colours. */
#include "plots/page.h"
#include "plots/provenance.h"
#include "plots/raster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/temp.h"
#include "tests/unit/plots/one_figure.h"

enum { WIDTH = 430, HEIGHT = 246 };
static const double DPI = 96;

static pl_temp temp;

static int set_up(void **state)
{
    (void)state;
    pl_temp_init(&temp);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pl_temp_deinit(&temp);
    return 0;
}

static pl_figure make_figure(void)
{
    static float before[64], after[64];
    for (size_t i = 0; i < 64; i++) {
        before[i] = 1 + 0.3f * sinf((float)(i * i)) + (i == 20 ? 9 : 0);
        after[i] = 0.7f * before[i];
    }
    const pl_channels_data data = {.title = "15.q_proj",
                                   .y_label = "max |w|",
                                   .values = {before, after},
                                   .labels = {"before", "after"},
                                   .tones = {PL_TONE_BEFORE, PL_TONE_AFTER},
                                   .n_series = 2,
                                   .n = 64};
    pl_figure figure;
    pl_error err = {0};
    pl_check_ok(pl_figure_channels(&data, &figure, &err), err);
    return figure;
}

static pl_raster make_raster(void)
{
    pl_figure figure = make_figure();
    pl_raster raster;
    pl_error err = {0};
    pl_check_ok(pl_raster_make(&figure, NULL, WIDTH, HEIGHT, DPI, &raster, &err), err);
    assert_int_equal(raster.width, WIDTH);
    assert_int_equal(raster.height, HEIGHT);
    pl_figure_deinit(&figure);
    return raster;
}

/* --- kitty ------------------------------------------------------------------------------------ */

static unsigned six_bits(char c)
{
    return c >= 'A' && c <= 'Z'   ? (unsigned)(c - 'A')
           : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a' + 26)
           : c >= '0' && c <= '9' ? (unsigned)(c - '0' + 52)
           : c == '+'             ? 62
                                  : 63;
}

static void put_decoded(const char *text, size_t size, pl_buf *out)
{
    assert_int_equal(size % 4, 0);
    for (size_t i = 0; i < size; i += 4) {
        unsigned bits = 0;
        size_t n = text[i + 3] != '=' ? 3 : text[i + 2] != '=' ? 2 : 1;
        for (size_t k = 0; k < 4; k++) {
            bits = bits << 6 | (text[i + k] == '=' ? 0 : six_bits(text[i + k]));
        }
        const char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        pl_buf_append(out, bytes, n);
    }
}

/* Every chunk but the last says that more come, and none is longer than 4,096. */
static void decode_kitty(const char *text, pl_buf *png)
{
    bool more = true;
    static const char first[] = "\033_Ga=T,f=100,i=7,p=1,C=1,q=2,m=";
    assert_int_equal(strncmp(text, first, strlen(first)), 0);
    while (more) {
        const char *data = strchr(text, ';') + 1, *end = strstr(text, "\033\\");
        assert_int_equal(strncmp(text, "\033_G", 3), 0);
        assert_non_null(end);
        more = data[-2] == '1';
        assert_true(more || data[-2] == '0');
        expect_at_most(end - data, 4096);
        put_decoded(data, (size_t)(end - data), png);
        text = end + 2;
    }
    assert_string_equal(text, "");
}

static void test_kitty_is_the_png(void **state)
{
    (void)state;
    pl_figure figure = make_figure();
    pl_raster raster = make_raster();
    pl_buf text = {0}, png = {0};
    pl_error err = {0};
    char path[2][600];
    size_t width = 0, height = 0, pixels = 0, differ = 1;
    int largest = 0;
    snprintf(path[0], sizeof path[0], "%s/page.png", temp.folder);
    snprintf(path[1], sizeof path[1], "%s/shown.png", temp.folder);
    const pl_page page = {.width_in = WIDTH / DPI, .height_in = HEIGHT / DPI, .dpi = DPI};
    pl_check_ok(write_figure_page(&figure, &page, NULL, 0, path[0], &width, &height, &err), err);
    assert_int_equal(width, WIDTH);
    assert_int_equal(height, HEIGHT);
    pl_check_ok(pl_raster_put_kitty(&raster, 7, &text, &err), err);
    decode_kitty(text.data, &png);
    pl_temp_write(&temp, "shown.png", png.data, png.size);
    pl_check_ok(pl_png_compare(path[0], path[1], &pixels, &differ, &largest, &err), err);
    assert_int_equal(pixels, WIDTH * HEIGHT);
    assert_int_equal(differ, 0);
    pl_buf_deinit(&text);
    pl_buf_deinit(&png);
    pl_raster_deinit(&raster);
    pl_figure_deinit(&figure);
}

/* --- sixel ------------------------------------------------------------------------------------ */

typedef struct decoder {
    unsigned char colours[256][3];
    unsigned char *rgb; /* [HEIGHT, WIDTH, 3] */
    bool *set;          /* [HEIGHT, WIDTH] */
    size_t x, y, colour;
} decoder;

static void put_sixel(decoder *d, unsigned bits, long times)
{
    for (long i = 0; i < times; i++, d->x++) {
        for (size_t k = 0; k < 6; k++) {
            const size_t row = d->y + k;
            if ((bits >> k & 1) == 0) {
                continue;
            }
            expect_less(row, HEIGHT);
            expect_less(d->x, WIDTH);
            memcpy(d->rgb + 3 * (row * WIDTH + d->x), d->colours[d->colour], 3);
            d->set[row * WIDTH + d->x] = true;
        }
    }
}

/* "#5;2;100;0;50" sets colour 5 in per cent of RGB, "#5" takes it. */
static const char *read_colour(decoder *d, const char *s)
{
    char *end = NULL;
    long values[5] = {strtol(s, &end, 10)};
    size_t n = 1;
    while (*end == ';' && n < 5) {
        values[n++] = strtol(end + 1, &end, 10);
    }
    expect_at_most(0, values[0]);
    expect_less(values[0], 256);
    assert_true(n == 1 || n == 5);
    d->colour = (size_t)values[0];
    if (n == 5) {
        assert_int_equal(values[1], 2);
        for (size_t k = 0; k < 3; k++) {
            d->colours[d->colour][k] = (unsigned char)lround((double)values[2 + k] * 255 / 100);
        }
    }
    return end;
}

static void decode_sixel(decoder *d, const char *s)
{
    assert_int_equal(strncmp(s, "\033P", 2), 0);
    s = strchr(s, 'q') + 1;
    while (*s != '\033') {
        char *end = NULL;
        if (*s == '"') { /* pan, pad, width, height */
            char head[32];
            snprintf(head, sizeof head, "\"1;1;%d;%d", WIDTH, HEIGHT);
            assert_int_equal(strncmp(s, head, strlen(head)), 0);
            s += strlen(head);
        } else if (*s == '#') {
            s = read_colour(d, s + 1);
        } else if (*s == '!') {
            const long times = strtol(s + 1, &end, 10);
            expect_at_most('?', *end);
            expect_at_most(*end, '~');
            put_sixel(d, (unsigned)(*end - '?'), times);
            s = end + 1;
        } else if (*s == '$') {
            d->x = 0;
            s++;
        } else if (*s == '-') {
            d->x = 0;
            d->y += 6;
            s++;
        } else {
            expect_at_most('?', *s);
            expect_at_most(*s, '~');
            put_sixel(d, (unsigned)(*s - '?'), 1);
            s++;
        }
    }
    assert_string_equal(s, "\033\\");
}

static void test_sixel(void **state)
{
    (void)state;
    pl_raster raster = make_raster();
    pl_buf text = {0};
    pl_error err = {0};
    const pl_status status = pl_raster_put_sixel(&raster, &text, &err);
    if (!pl_raster_has_sixel()) {
        assert_int_equal(status, PL_ERR_STATE);
        assert_non_null(strstr(err.message, "install libsixel-dev"));
        pl_raster_deinit(&raster);
        skip();
    }
    pl_check_ok(status, err);
    decoder d = {.rgb = calloc(WIDTH * HEIGHT, 3), .set = calloc(WIDTH * HEIGHT, 1)};
    assert_true(d.rgb != NULL && d.set != NULL);
    decode_sixel(&d, text.data);
    size_t far = 0, coloured = 0;
    int largest = 0;
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        int most = 0;
        assert_true(d.set[i]);
        for (size_t k = 0; k < 3; k++) {
            const int off = abs(d.rgb[3 * i + k] - raster.rgb[3 * i + k]);
            most = off > most ? off : most;
        }
        coloured += raster.rgb[3 * i] != 255;
        far += most > 4;
        largest = most > largest ? most : largest;
    }
    printf("sixel: %zu of %d pixels off by more than 4, at most by %d\n", far, WIDTH * HEIGHT,
           largest);
    expect_less(WIDTH * HEIGHT / 20, coloured); /* it is a picture */
    expect_less(far, WIDTH * HEIGHT / 200);
    expect_less(largest, 12);
    free(d.rgb);
    free(d.set);
    pl_buf_deinit(&text);
    pl_raster_deinit(&raster);
}

static void test_refused(void **state)
{
    (void)state;
    pl_figure figure = make_figure();
    pl_raster raster;
    pl_error err = {0};
    figure.series[0].y[3] = NAN;
    assert_int_equal(pl_raster_make(&figure, NULL, WIDTH, HEIGHT, DPI, &raster, &err),
                     PL_ERR_NUMERIC);
    assert_null(raster.rgb);
    pl_figure_deinit(&figure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kitty_is_the_png),
        cmocka_unit_test(test_sixel),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
