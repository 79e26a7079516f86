/* Reports of the mouse and answers of terminals, as texts. */
#include "views/sequence.h"

#include "tests/support/check.h"

static void expect_report(const char *text, pl_mouse_kind kind, int y, int x)
{
    pl_mouse mouse;
    assert_int_equal(pl_mouse_parse(text, &mouse), kind != PL_MOUSE_NONE);
    assert_int_equal(mouse.kind, kind);
    if (kind != PL_MOUSE_NONE) {
        assert_int_equal(mouse.y, y);
        assert_int_equal(mouse.x, x);
    }
}

static void test_reports(void **state)
{
    (void)state;
    expect_report("<0;12;5M", PL_MOUSE_PRESS, 4, 11);
    expect_report("<0;12;5m", PL_MOUSE_RELEASE, 4, 11);
    expect_report("<32;300;99M", PL_MOUSE_DRAG, 98, 299);
    expect_report("<16;1;1M", PL_MOUSE_PRESS, 0, 0); /* with Ctrl */
    expect_report("<64;1;1M", PL_MOUSE_WHEEL_UP, 0, 0);
    expect_report("<65;1;1M", PL_MOUSE_WHEEL_DOWN, 0, 0);
    expect_report("<66;1;1M", PL_MOUSE_WHEEL_LEFT, 0, 0);
    expect_report("<68;1;1M", PL_MOUSE_WHEEL_LEFT, 0, 0); /* with Shift */
    expect_report("<69;1;1M", PL_MOUSE_WHEEL_RIGHT, 0, 0);
    static const char *const none[] = {
        "",         "<",         "<0;1;1",  "<0;1M",    "<1;1;1M",   "<2;1;1M",
        "<35;1;1M", "<128;1;1M", "<0;0;1M", "<0;1;0M",  "0;1;1M",    "<-1;1;1M",
        "<0;1;1MM", "<0;1;1x",   "<a;1;1M", "<64;1;1m", "?2026;2$y", "<0;9999999999;1M"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        expect_report(none[i], PL_MOUSE_NONE, 0, 0);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    pl_mouse mouse;
    assert_true(pl_mouse_from_bytes((const unsigned char[]){32, 33, 34}, &mouse));
    assert_int_equal(mouse.kind, PL_MOUSE_PRESS);
    assert_int_equal(mouse.x, 0);
    assert_int_equal(mouse.y, 1);
    assert_true(pl_mouse_from_bytes((const unsigned char[]){35, 33, 34}, &mouse));
    assert_int_equal(mouse.kind, PL_MOUSE_RELEASE);
    assert_true(pl_mouse_from_bytes((const unsigned char[]){32 + 64, 33, 34}, &mouse));
    assert_int_equal(mouse.kind, PL_MOUSE_WHEEL_UP);
    assert_true(pl_mouse_from_bytes((const unsigned char[]){32 + 32, 33, 34}, &mouse));
    assert_int_equal(mouse.kind, PL_MOUSE_DRAG);
    assert_false(pl_mouse_from_bytes((const unsigned char[]){33, 33, 34}, &mouse));
    assert_false(pl_mouse_from_bytes((const unsigned char[]){0, 0, 0}, &mouse));
}

static void test_answers(void **state)
{
    (void)state;
    assert_true(pl_mode_is_known("?2026;1$y", PL_MODE_SYNC));
    assert_true(pl_mode_is_known("?2026;2$y", PL_MODE_SYNC));
    /* Unknown, or for ever on or off. */
    assert_false(pl_mode_is_known("?2026;0$y", PL_MODE_SYNC));
    assert_false(pl_mode_is_known("?2026;3$y", PL_MODE_SYNC));
    assert_false(pl_mode_is_known("?2026;4$y", PL_MODE_SYNC));
    assert_false(pl_mode_is_known("?2004;2$y", PL_MODE_SYNC));
    assert_false(pl_mode_is_known("?2026;2$yy", PL_MODE_SYNC));
    assert_false(pl_mode_is_known("?2026;2", PL_MODE_SYNC));
    assert_false(pl_mode_is_known("", PL_MODE_SYNC));
}

static void test_image_answers(void **state)
{
    (void)state;
    int width = 3, height = 4;
    assert_true(pl_is_attributes("?1;2c"));
    assert_true(pl_is_attributes("?64;1;2;6;9;15;16;17;18;21;22;28c"));
    assert_false(pl_is_attributes("?c"));
    assert_false(pl_is_attributes("1;2c"));
    assert_false(pl_is_attributes("?1;2cc"));
    assert_true(pl_has_attribute("?62;4;22c", PL_ATTRIBUTE_SIXEL));
    assert_true(pl_has_attribute("?62;22;4c", PL_ATTRIBUTE_SIXEL));
    /* A class of 4, a number that begins with 4, another answer. */
    assert_false(pl_has_attribute("?4;1c", PL_ATTRIBUTE_SIXEL));
    assert_false(pl_has_attribute("?62;42c", PL_ATTRIBUTE_SIXEL));
    assert_false(pl_has_attribute("?62;4$y", PL_ATTRIBUTE_SIXEL));
    assert_true(pl_cell_size("6;20;10t", &width, &height));
    assert_int_equal(width, 10);
    assert_int_equal(height, 20);
    assert_false(pl_cell_size("6;0;10t", &width, &height));
    assert_false(pl_cell_size("8;24;80t", &width, &height));
    assert_false(pl_cell_size("6;20;10tt", &width, &height));
    assert_int_equal(width, 10);
    assert_true(pl_is_kitty("Gi=31;OK"));
    assert_false(pl_is_kitty("Gi=31;ENOTSUPPORTED:x"));
    assert_false(pl_is_kitty("Gi=32;OK"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_image_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
