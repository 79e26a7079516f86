/* The palette's score, and the palette itself: what is typed, found and chosen. */
#include "views/fuzzy.h"
#include "views/palette.h"

#include <string.h>

#include "tests/support/check.h"

static int score_of(const char *typed, const char *text)
{
    int score = 0;
    uint64_t hits = 0;
    assert_true(pl_fuzzy_match(typed, text, &score, &hits));
    return score;
}

static void test_subsequence(void **state)
{
    (void)state;
    int score = 0;
    uint64_t hits = 0;
    assert_true(pl_fuzzy_match("sa", "solve-all", &score, &hits));
    assert_int_equal(hits, (1u << 0) | (1u << 6));
    assert_true(pl_fuzzy_match("SOLVE", "solve-all", &score, &hits));
    assert_int_equal(hits, 0x1f);
    assert_true(pl_fuzzy_match("solve all", "solve-all", &score, &hits));
    assert_true(pl_fuzzy_match("", "anything", &score, &hits));
    assert_int_equal(hits, 0);
    assert_false(pl_fuzzy_match("las", "solve-all", &score, &hits));
    assert_false(pl_fuzzy_match("x", "", &score, &hits));
    assert_false(pl_fuzzy_match("ss", "solve", &score, &hits));
}

static void test_order(void **state)
{
    (void)state;
    /* Starts of words before letters within, runs before scattered letters, short before long. */
    expect_less(score_of("sa", "usual"), score_of("sa", "solve-all"));
    expect_less(score_of("und", "previous-undrawn"), score_of("und", "undo"));
    expect_less(score_of("the", "atxhxe"), score_of("the", "theme"));
    expect_less(score_of("solve", "solve-all"), score_of("solve", "solve"));
    expect_less(score_of("me", "lambda estimate me"), score_of("me", ":method astro"));
    /* The best of several places is taken. */
    int score = 0;
    uint64_t hits = 0;
    assert_true(pl_fuzzy_match("all", "alpha-all", &score, &hits));
    assert_int_equal(hits, 0x1c0);
}

static void test_long_texts(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    int score = 0;
    uint64_t hits = 0;
    assert_true(pl_fuzzy_match(text, text, &score, &hits));
    text[100] = 'z';
    assert_false(pl_fuzzy_match("z", text, &score, &hits)); /* beyond what is searched */
}

static void fill(pl_palette *palette)
{
    static const char *const labels[] = {"quit", "solve-all", "solve", ":theme dark"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        char label[32];
        snprintf(label, sizeof label, "%s", labels[i]);
        pl_palette_add(palette, &(pl_palette_item){
                                    .label = label, .detail = label, .action = (pl_action)(i + 1)});
    }
}

static void type(pl_palette *palette, const char *keys)
{
    for (; *keys != '\0'; keys++) {
        assert_null(pl_palette_key(palette, (pl_press){.key = (uint32_t)*keys}));
    }
}

static void test_palette(void **state)
{
    (void)state;
    pl_palette palette = {0};
    pl_error err = {0};
    fill(&palette);
    assert_int_equal(palette.n, 4);
    pl_check_ok(pl_palette_open(&palette, &err), err);
    assert_int_equal(palette.n_found, 4);
    assert_int_equal(palette.found[0].item, 0); /* nothing typed: in the tables' order */
    type(&palette, "sol");
    assert_int_equal(palette.n_found, 2);
    const pl_palette_item *item = pl_palette_key(&palette, (pl_press){.key = PL_KEY_ENTER});
    assert_non_null(item);
    assert_string_equal(item->label, "solve");
    pl_palette_key(&palette, (pl_press){.key = PL_K_DOWN});
    pl_palette_key(&palette, (pl_press){.key = PL_K_DOWN});
    item = pl_palette_key(&palette, (pl_press){.key = PL_KEY_ENTER});
    assert_string_equal(item->label, "solve-all");
    type(&palette, "zzz");
    assert_int_equal(palette.n_found, 0);
    assert_null(pl_palette_key(&palette, (pl_press){.key = PL_KEY_ENTER}));
    pl_palette_key(&palette, (pl_press){.key = 21});
    assert_int_equal(palette.n_found, 4);
    pl_palette_key(&palette, (pl_press){.key = PL_KEY_ESC});
    assert_false(palette.open);
    assert_null(palette.items);
}

/* What is typed whole comes first, however well others fit; also under a name that is not shown. */
static void test_exact_names(void **state)
{
    (void)state;
    static const struct {
        const char *label, *name;
    } items[] = {
        {"plot plot", "other"},
        {":view plot", NULL},
        {":a long way to plot", "plot"},
        {":layers sort=x", "worst"},
    };
    pl_palette palette = {0};
    pl_error err = {0};
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        char label[40], name[16];
        snprintf(label, sizeof label, "%s", items[i].label);
        snprintf(name, sizeof name, "%s", items[i].name != NULL ? items[i].name : "");
        pl_palette_add(&palette, &(pl_palette_item){.label = label,
                                                    .name = items[i].name != NULL ? name : NULL});
    }
    pl_check_ok(pl_palette_open(&palette, &err), err);
    type(&palette, "plo");
    assert_int_equal(palette.found[0].item, 0);
    type(&palette, "t");
    assert_int_equal(palette.found[0].item, 2);
    pl_palette_key(&palette, (pl_press){.key = 21});
    type(&palette, ":Plot");
    assert_int_equal(palette.found[0].item, 2);
    pl_palette_key(&palette, (pl_press){.key = 21});
    type(&palette, "worst");
    assert_int_equal(palette.found[0].item, 3);
    pl_palette_close(&palette);
}

/* Drawn at every size, with the found letters marked without colour. */
static void test_drawing(void **state)
{
    (void)state;
    pl_palette palette = {0};
    pl_error err = {0};
    fill(&palette);
    pl_check_ok(pl_palette_open(&palette, &err), err);
    type(&palette, "sol");
    for (int rows = 1; rows < 30; rows += 4) {
        for (int cols = 1; cols < 200; cols += 23) {
            pl_surface surface = {0};
            pl_check_ok(pl_surface_resize(&surface, rows, cols, &err), err);
            pl_palette_draw(&palette, &surface, (pl_rect){0, 0, rows, cols});
            expect_less(surface.cursor_x, cols);
            size_t marked = 0;
            for (int i = 0; i < rows * cols; i++) {
                marked += (surface.cells[i].style & PL_UNDERLINE) != 0;
            }
            if (rows >= 5 && cols >= 20) {
                expect_at_most(6, marked);
            }
            pl_surface_deinit(&surface);
        }
    }
    pl_palette_close(&palette);
}

/* What the list has no room for is below it, of the chosen line. */
static void test_whole_detail(void **state)
{
    (void)state;
    pl_palette palette = {0};
    pl_surface surface = {0};
    pl_error err = {0};
    const pl_palette_item item = {.label = (char[]){"filter"},
                                  .detail = (char[]){"the layers by name or by a number of theirs "
                                                     "that is known, and then they are listed"}};
    pl_palette_add(&palette, &item);
    pl_check_ok(pl_palette_open(&palette, &err), err);
    pl_check_ok(pl_surface_resize(&surface, 24, 80, &err), err);
    pl_palette_draw(&palette, &surface, (pl_rect){0, 0, 24, 80});
    static const char *const end = "listed";
    char last[81] = "";
    for (int row = 20; row < 22; row++) {
        for (int col = 0; col < 80; col++) {
            last[col] = (char)surface.cells[row * 80 + col].code;
        }
        if (strstr(last, end) != NULL) {
            break;
        }
    }
    assert_non_null(strstr(last, end));
    pl_surface_deinit(&surface);
    pl_palette_close(&palette);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subsequence),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_long_texts),   cmocka_unit_test(test_palette),
        cmocka_unit_test(test_exact_names),  cmocka_unit_test(test_drawing),
        cmocka_unit_test(test_whole_detail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
