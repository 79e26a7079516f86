#include "core/base/text.h"

#include "tests/support/check.h"

#include <stdlib.h>

static void check_escape(const char *raw, size_t size, const char *expected)
{
    char out[256];
    assert_int_equal(pl_text_escape(raw, size, out, sizeof out), strlen(expected));
    assert_string_equal(out, expected);
}

static void escapes_what_a_terminal_would_obey(void **state)
{
    (void)state;
    check_escape("plain \xe2\x96\x81 text", 14, "plain \xe2\x96\x81 text");
    check_escape("\n\t\r\x1b\x7f", 5, "\\n\\t\\r\\x1b\\x7f");
    check_escape("a\0b", 3, "a\\x00b");
    check_escape("\xc2\x85", 2, "\\xc2\\x85");          /* a C1 control */
    check_escape("\xe2\x80\xae", 3, "\\xe2\\x80\\xae"); /* right-to-left override */
    check_escape("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8"); /* line separator */
    check_escape("\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6"); /* isolate */
    check_escape("\xff\xc0\xaf\xed\xa0\x80", 6, "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
    check_escape("back\\slash", 10, "back\\slash");
    check_escape("", 0, "");
}

static void never_cuts_inside_an_escape(void **state)
{
    (void)state;
    const char *raw = "a\x1b\xe2\x96\x81z";
    const char *whole = "a\\x1b\xe2\x96\x81z";
    for (size_t capacity = 1; capacity <= strlen(whole) + 2; capacity++) {
        char out[32];
        memset(out, '#', sizeof out);
        assert_int_equal(pl_text_escape(raw, 6, out, capacity), strlen(whole));
        size_t length = strlen(out);
        expect_less(length, capacity);
        assert_memory_equal(out, whole, length);
        assert_true(length == 0 || length == 1 || length == 5 || length == 8 || length == 9);
        assert_int_equal(out[capacity], '#');
    }
    assert_int_equal(pl_text_escape(raw, 6, NULL, 0), strlen(whole));
}

static void knows_valid_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size, expected;
    } cases[] = {
        {"a", 1, 1},
        {"\xc3\xa9", 2, 2},
        {"\xe2\x96\x81", 3, 3},
        {"\xf0\x9f\x98\x80", 4, 4},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"", 0, 0},
        {"\x80", 1, 0},
        {"\xc1\xbf", 2, 0},
        {"\xe0\x80\x80", 3, 0},
        {"\xed\xbf\xbf", 3, 0},
        {"\xf0\x80\x80\x80", 4, 0},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xe2\x96", 2, 0},
        {"\xe2\x28\xa1", 3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pl_text_utf8_length(cases[i].bytes, cases[i].bytes + cases[i].size),
                         cases[i].expected);
    }
}

static void trims_an_unfinished_sequence(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"abc", "abc"},       {"ab\xe2\x96\x81", "ab\xe2\x96\x81"},
        {"ab\xe2\x96", "ab"}, {"ab\xe2", "ab"},
        {"\xf0\x9f\x98", ""}, {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16];
        snprintf(text, sizeof text, "%s", cases[i][0]);
        pl_text_trim_utf8(text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void every_code_point_comes_back(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char bytes[4];
        uint32_t back = 0;
        const size_t n = pl_text_utf8_encode(code, bytes);
        const bool surrogate = code >= 0xd800 && code < 0xe000;
        assert_int_equal(pl_text_utf8_decode(bytes, bytes + n, &back), surrogate ? 0 : n);
        assert_int_equal(back, surrogate ? UINT32_MAX : code);
    }
}

static void endings_are_whole(void **state)
{
    (void)state;
    assert_true(pl_text_ends("w.npy", ".npy"));
    assert_true(pl_text_ends("w", ""));
    assert_false(pl_text_ends("npy", ".npy"));
    assert_false(pl_text_ends("w.NPY", ".npy"));
    assert_true(pl_text_ends_nocase("w.NPY", ".npy"));
    assert_false(pl_text_ends_nocase("w.npy.gz", ".npy"));
}

static void globs_whole_names(void **state)
{
    (void)state;
    assert_true(pl_text_glob("*.down_proj", "model.layers.3.mlp.down_proj"));
    assert_false(pl_text_glob("down_proj", "model.layers.3.mlp.down_proj"));
    assert_true(pl_text_glob("model.layers.[0-4].*", "model.layers.3.mlp.down_proj"));
    assert_false(pl_text_glob("model.layers.?.*", "model.layers.13.mlp"));
    assert_true(pl_text_glob("*", ".hidden"));
    assert_true(pl_text_glob("*", ""));
}

static void builder_grows_and_fails_once(void **state)
{
    (void)state;
    pl_buf buf = {0};
    for (int i = 0; i < 1000; i++) {
        pl_buf_printf(&buf, "%d,", i);
    }
    pl_buf_puts(&buf, "end");
    pl_buf_append(&buf, "\0x", 2);
    assert_int_equal(buf.size, 10 * 2 + 90 * 3 + 900 * 4 + 3 + 2);
    assert_memory_equal(buf.data + buf.size - 5, "end\0x", 6);
    assert_int_equal(pl_buf_check(&buf, NULL), PL_OK);
    pl_buf_append(&buf, "", SIZE_MAX / 2);
    pl_error err = {0};
    assert_int_equal(pl_buf_check(&buf, &err), PL_ERR_MEMORY);
    pl_check_says(err, "out of memory");
    size_t size = buf.size;
    pl_buf_puts(&buf, "more");
    assert_int_equal(buf.size, size);
    pl_buf_deinit(&buf);
    assert_null(buf.data);
    pl_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_what_a_terminal_would_obey),
        cmocka_unit_test(never_cuts_inside_an_escape),
        cmocka_unit_test(knows_valid_utf8),
        cmocka_unit_test(trims_an_unfinished_sequence),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(endings_are_whole),
        cmocka_unit_test(globs_whole_names),
        cmocka_unit_test(builder_grows_and_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
