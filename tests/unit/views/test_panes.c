/* The arrangement of the panes at every size, with every focus, split and zoomed. */
#include "views/panes.h"

#include "tests/support/check.h"

static bool inside(pl_rect rect, int rows, int cols)
{
    return rect.y >= 0 && rect.x >= 0 && rect.y + rect.h <= rows && rect.x + rect.w <= cols;
}

static bool overlap(pl_rect a, pl_rect b)
{
    return a.h > 0 && b.h > 0 && a.w > 0 && b.w > 0 && a.y < b.y + b.h && b.y < a.y + a.h &&
           a.x < b.x + b.w && b.x < a.x + a.w;
}

static const int least[PL_PANE_COUNT][2] = {
    {PL_LAYERS_MIN_ROWS, PL_LAYERS_MIN_COLS}, {PL_MAIN_MIN_ROWS, PL_MAIN_MIN_COLS},
    {PL_SECOND_MIN_ROWS, PL_SECOND_MIN_COLS}, {PL_TABLE_MIN_ROWS, PL_TABLE_MIN_COLS},
    {PL_TUNER_MIN_ROWS, PL_TUNER_MIN_COLS},
};

/* Rectangles are inside, apart from each other, and together as large as the body. */
static void check_places(const pl_panes *l, int rows, int cols)
{
    enum { ALL = PL_PANE_COUNT + 3 + PL_MAX_DIVIDERS };
    pl_rect all[ALL] = {l->header, l->message, l->prompt};
    int n = 3;
    int area = 0;
    for (int p = 0; p < PL_PANE_COUNT; p++) {
        all[n++] = l->panes[p];
        area += l->panes[p].h * l->panes[p].w;
        if (l->panes[p].h > 0) {
            expect_at_most(least[p][0], l->panes[p].h);
            expect_at_most(least[p][1], l->panes[p].w);
        }
    }
    expect_at_most(l->n_dividers, PL_MAX_DIVIDERS);
    for (int d = 0; d < l->n_dividers; d++) {
        all[n++] = l->dividers[d];
        area += l->dividers[d].h * l->dividers[d].w;
    }
    for (int i = 0; i < n; i++) {
        assert_true(inside(all[i], rows, cols));
        for (int j = 0; j < i; j++) {
            assert_false(overlap(all[i], all[j]));
        }
    }
    if (l->kind != PL_PANES_NOTICE) {
        assert_int_equal(area, l->body.h * l->body.w);
    }
}

/* From any pane Tab goes to every other one that there is, and each is shown when it is there. */
static void check_reach(int rows, int cols, bool split)
{
    bool seen[PL_PANE_COUNT] = {false};
    pl_pane focus = PL_PANE_LAYERS;
    for (int i = 0; i < PL_PANE_COUNT; i++) {
        pl_panes l = pl_panes_make(rows, cols, focus, split, PL_PANE_COUNT);
        if (l.kind != PL_PANES_NOTICE) {
            expect_less(0, l.panes[focus].h);
        }
        seen[focus] = true;
        pl_pane next = pl_panes_next(&l, focus, 1);
        pl_panes then = pl_panes_make(rows, cols, next, split, PL_PANE_COUNT);
        assert_int_equal(pl_panes_next(&then, next, -1), focus);
        focus = next;
    }
    for (pl_pane p = 0; p < PL_PANE_COUNT; p++) {
        bool expected = p != PL_PANE_SECOND || split;
        if (rows >= PL_PANES_MIN_ROWS && cols >= PL_PANES_MIN_COLS) {
            assert_int_equal(seen[p], expected);
        }
    }
}

static void check_size(int rows, int cols)
{
    for (int split = 0; split < 2; split++) {
        for (pl_pane focus = 0; focus < PL_PANE_COUNT; focus++) {
            for (pl_pane zoom = 0; zoom <= PL_PANE_COUNT; zoom++) {
                pl_panes l = pl_panes_make(rows, cols, focus, split != 0, zoom);
                check_places(&l, rows, cols);
                if (l.kind == PL_PANES_NOTICE) {
                    if (rows >= PL_PANES_MIN_ROWS) {
                        expect_less(cols, PL_PANES_MIN_COLS);
                    }
                } else if (zoom < PL_PANE_COUNT) {
                    assert_int_equal(l.panes[zoom].h, l.body.h);
                    assert_int_equal(l.panes[zoom].w, l.body.w);
                } else if (focus != PL_PANE_SECOND || split) {
                    expect_less(0, l.panes[focus].h);
                }
            }
        }
        check_reach(rows, cols, split != 0);
    }
}

static void test_every_size(void **state)
{
    (void)state;
    for (int rows = 1; rows <= 70; rows++) {
        for (int cols = 1; cols <= 220; cols++) {
            check_size(rows, cols);
        }
    }
    for (int rows = 71; rows <= 200; rows += 43) {
        for (int cols = 221; cols <= 500; cols += 93) {
            check_size(rows, cols);
        }
    }
    check_size(200, 500);
}

static bool beside(pl_rect a, pl_rect b)
{
    return a.h > 0 && b.h > 0 && a.y == b.y && a.h == b.h && a.x + a.w < b.x;
}

static void test_split(void **state)
{
    (void)state;
    /* At 80x24 the second pane takes the layer list's place until that list is selected. */
    pl_panes small = pl_panes_make(24, 80, PL_PANE_MAIN, true, PL_PANE_COUNT);
    assert_true(beside(small.panes[PL_PANE_MAIN], small.panes[PL_PANE_SECOND]));
    assert_int_equal(small.panes[PL_PANE_LAYERS].h, 0);
    assert_true(small.reachable[PL_PANE_LAYERS]);
    small = pl_panes_make(24, 80, PL_PANE_LAYERS, true, PL_PANE_COUNT);
    assert_true(beside(small.panes[PL_PANE_LAYERS], small.panes[PL_PANE_MAIN]));
    /* Wide: beside; narrow and high: below. */
    pl_panes wide = pl_panes_make(50, 200, PL_PANE_MAIN, true, PL_PANE_COUNT);
    assert_true(beside(wide.panes[PL_PANE_MAIN], wide.panes[PL_PANE_SECOND]));
    expect_less(0, wide.panes[PL_PANE_LAYERS].h);
    pl_panes high = pl_panes_make(70, 90, PL_PANE_MAIN, true, PL_PANE_COUNT);
    assert_int_equal(high.panes[PL_PANE_SECOND].x, high.panes[PL_PANE_MAIN].x);
    expect_less(high.panes[PL_PANE_MAIN].y, high.panes[PL_PANE_SECOND].y);
}

static void test_named_sizes(void **state)
{
    (void)state;
    static const struct {
        int rows, cols;
        pl_panes_kind kind;
    } sizes[] = {
        {1, 1, PL_PANES_NOTICE},   {16, 60, PL_PANES_SINGLE}, {16, 80, PL_PANES_LOW},
        {40, 60, PL_PANES_NARROW}, {24, 80, PL_PANES_NORMAL}, {50, 200, PL_PANES_WIDE},
        {200, 500, PL_PANES_WIDE},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(
            pl_panes_make(sizes[i].rows, sizes[i].cols, PL_PANE_LAYERS, false, PL_PANE_COUNT).kind,
            sizes[i].kind);
    }
    /* The picture is the largest thing. */
    pl_panes small = pl_panes_make(24, 80, PL_PANE_LAYERS, false, PL_PANE_COUNT);
    for (int p = 0; p < PL_PANE_COUNT; p++) {
        if (p != PL_PANE_MAIN) {
            expect_less(small.panes[p].h * small.panes[p].w,
                        small.panes[PL_PANE_MAIN].h * small.panes[PL_PANE_MAIN].w);
        }
    }
    assert_int_equal(small.prompt.y, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_named_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
