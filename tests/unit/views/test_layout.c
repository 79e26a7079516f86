/* The arrangement of the panes at every size from 1x1 to 300x100. */
#include "views/layout.h"

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
    {PL_LAYERS_MIN_ROWS, PL_LAYERS_MIN_COLS},
    {PL_CHANNELS_MIN_ROWS, PL_CHANNELS_MIN_COLS},
    {PL_OUTLIERS_MIN_ROWS, PL_OUTLIERS_MIN_COLS},
    {PL_TUNER_MIN_ROWS, PL_TUNER_MIN_COLS},
};

static void check_size(int rows, int cols, pl_pane focus)
{
    pl_panes l = pl_panes_make(rows, cols, focus);
    pl_rect all[PL_PANE_COUNT + 3] = {l.header, l.message, l.prompt};
    int shown = 0;
    for (int p = 0; p < PL_PANE_COUNT; p++) {
        pl_rect pane = l.panes[p];
        all[3 + p] = pane;
        if (pane.h == 0) {
            continue;
        }
        shown++;
        assert_true(pane.h >= least[p][0]);
        assert_true(pane.w >= least[p][1]);
    }
    assert_true(inside(l.body, rows, cols));
    for (int i = 0; i < PL_PANE_COUNT + 3; i++) {
        assert_true(inside(all[i], rows, cols));
        for (int j = 0; j < i; j++) {
            assert_false(overlap(all[i], all[j]));
        }
    }
    assert_true(l.divider < cols && l.lower_divider < cols);
    int expected = l.kind == PL_LAYOUT_NOTICE ? 0 : l.kind == PL_LAYOUT_SINGLE ? 1 : PL_PANE_COUNT;
    assert_int_equal(shown, expected);
    if (l.kind != PL_LAYOUT_NOTICE) {
        assert_true(l.panes[focus].h > 0);
    }
}

static void test_every_size(void **state)
{
    (void)state;
    for (int rows = 1; rows <= 100; rows++) {
        for (int cols = 1; cols <= 300; cols++) {
            for (pl_pane focus = 0; focus < PL_PANE_COUNT; focus++) {
                check_size(rows, cols, focus);
            }
        }
    }
}

static void test_named_sizes(void **state)
{
    (void)state;
    assert_int_equal(pl_panes_make(1, 1, PL_PANE_LAYERS).kind, PL_LAYOUT_NOTICE);
    assert_int_equal(pl_panes_make(16, 60, PL_PANE_LAYERS).kind, PL_LAYOUT_SINGLE);
    assert_int_equal(pl_panes_make(24, 80, PL_PANE_LAYERS).kind, PL_LAYOUT_NORMAL);
    assert_int_equal(pl_panes_make(50, 200, PL_PANE_LAYERS).kind, PL_LAYOUT_WIDE);
    pl_panes small = pl_panes_make(24, 80, PL_PANE_LAYERS);
    /* The picture is the largest thing. */
    for (int p = 0; p < PL_PANE_COUNT; p++) {
        if (p != PL_PANE_CHANNELS) {
            assert_true(small.panes[PL_PANE_CHANNELS].h * small.panes[PL_PANE_CHANNELS].w >
                        small.panes[p].h * small.panes[p].w);
        }
    }
    assert_int_equal(small.prompt.y, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_named_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
