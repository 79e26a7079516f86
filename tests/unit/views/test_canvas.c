/* Dots and the characters they become. */
#include "views/canvas.h"

#include "tests/support/check.h"

static pl_canvas fresh(pl_marks marks, int rows, int cols)
{
    pl_canvas canvas;
    pl_error err = {0};
    pl_check_ok(pl_canvas_init(&canvas, marks, rows, cols, &err), err);
    return canvas;
}

static uint32_t code(const pl_canvas *canvas, int row, int col)
{
    unsigned style = 0;
    return pl_canvas_code(canvas, row, col, &style);
}

static void test_braille(void **state)
{
    (void)state;
    pl_canvas c = fresh(PL_MARKS_BRAILLE, 2, 1);
    assert_int_equal(c.dots_x, 2);
    assert_int_equal(c.dots_y, 8);
    pl_canvas_bar(&c, 0, 1, PL_STYLE_AFTER);
    assert_int_equal(code(&c, 1, 0), 0x2840);
    assert_int_equal(code(&c, 0, 0), ' ');
    pl_canvas_bar(&c, 0, 8, PL_STYLE_AFTER);
    assert_int_equal(code(&c, 0, 0), 0x2847);
    pl_canvas_cap(&c, 1, 7, PL_STYLE_BEFORE);
    assert_int_equal(code(&c, 0, 0), 0x284f);
    pl_canvas_cap(&c, 9, 9, PL_STYLE_BEFORE); /* outside: nothing happens */
    pl_canvas_deinit(&c);
}

static void test_blocks(void **state)
{
    (void)state;
    pl_canvas c = fresh(PL_MARKS_BLOCKS, 1, 3);
    pl_canvas_bar(&c, 0, 1, PL_STYLE_AFTER);
    pl_canvas_bar(&c, 1, 8, PL_STYLE_AFTER);
    pl_canvas_cap(&c, 2, 7, PL_STYLE_BEFORE);
    assert_int_equal(code(&c, 0, 0), 0x2581);
    assert_int_equal(code(&c, 0, 1), 0x2588);
    assert_int_equal(code(&c, 0, 2), 0x2594);
    pl_canvas_deinit(&c);
}

static void test_plain(void **state)
{
    (void)state;
    pl_canvas c = fresh(PL_MARKS_ASCII, 1, 4);
    pl_canvas_bar(&c, 0, 1, PL_STYLE_AFTER);
    pl_canvas_bar(&c, 1, 2, PL_STYLE_AFTER);
    pl_canvas_cap(&c, 2, 1, PL_STYLE_BEFORE);
    assert_int_equal(code(&c, 0, 0), '.');
    assert_int_equal(code(&c, 0, 1), ':');
    assert_int_equal(code(&c, 0, 2), '\'');
    assert_int_equal(code(&c, 0, 3), ' ');
    pl_canvas_deinit(&c);
    c = fresh(PL_MARKS_HALVES, 1, 2);
    pl_canvas_bar(&c, 0, 1, PL_STYLE_AFTER);
    pl_canvas_bar(&c, 1, 7, PL_STYLE_AFTER);
    assert_int_equal(code(&c, 0, 0), 0x2584);
    assert_int_equal(code(&c, 0, 1), 0x2588);
    pl_canvas_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_braille),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
