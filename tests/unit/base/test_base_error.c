#include "core/base/error.h"
#include "core/base/memory.h"

#include "core/base/text.h"
#include "tests/support/check.h"

static void set_returns_its_code(void **state)
{
    (void)state;
    pl_error err = {0};
    assert_int_equal(pl_error_set(&err, PL_ERR_FORMAT, "%s: field %d", "a.bin", 7), PL_ERR_FORMAT);
    assert_int_equal(err.code, PL_ERR_FORMAT);
    assert_string_equal(err.message, "a.bin: field 7");
    assert_int_equal(pl_error_set(NULL, PL_ERR_IO, "nobody listens"), PL_ERR_IO);
    pl_error_prefix(NULL, "nobody");
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_error_set(&err, PL_ERR_FORMAT, "name '%s'", "a\x1b[31m\nb\xc2\x9b\xff");
    assert_string_equal(err.message, "name 'a\\x1b[31m\\nb\\xc2\\x9b\\xff'");
}

static void prefix_comes_first_and_keeps_the_code(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_error_set(&err, PL_ERR_NUMERIC, "pivot 3 is negative");
    pl_error_prefix(&err, "layer %s: ", "k_proj");
    assert_string_equal(err.message, "layer k_proj: pivot 3 is negative");
    assert_int_equal(err.code, PL_ERR_NUMERIC);
}

static void may_quote_itself(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_error_set(&err, PL_ERR_IO, "inner");
    pl_error_set(&err, PL_ERR_IO, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
}

/* Too long a text is cut between characters, wherever the cut falls. */
static void long_messages_stay_utf8(void **state)
{
    (void)state;
    char text[2 * PL_ERROR_TEXT];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3) {
            memcpy(text + i, "\xe2\x96\x81", 4);
        }
        pl_error err = {0};
        pl_error_set(&err, PL_ERR_IO, "%s", text);
        for (int round = 0; round < 2; round++) {
            size_t size = strlen(err.message);
            expect_less(size, PL_ERROR_TEXT);
            expect_less(PL_ERROR_TEXT - 8, size);
            assert_null(strchr(err.message, '\\'));
            for (const char *at = err.message; *at != '\0';) {
                size_t step = pl_text_utf8_length(at, err.message + size);
                expect_less(0, step);
                at += step;
            }
            pl_error_prefix(&err, "in front: ");
        }
    }
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (int code = PL_OK; code <= PL_ERR_CHANGED; code++) {
        assert_string_not_equal(pl_status_name((pl_status)code), "unknown");
        for (int other = PL_OK; other < code; other++) {
            assert_string_not_equal(pl_status_name((pl_status)code),
                                    pl_status_name((pl_status)other));
        }
    }
    assert_string_equal(pl_status_name((pl_status)99), "unknown");
}

static void lack_of_memory_names_what_and_counts_once(void **state)
{
    (void)state;
    pl_error err = {0};
    const unsigned before = pl_memory_failures();
    assert_int_equal(pl_error_memory(&err, "%d rows", 3), PL_ERR_MEMORY);
    assert_string_equal(err.message, "out of memory for 3 rows");
    assert_int_equal(err.code, PL_ERR_MEMORY);
    assert_int_equal(pl_error_memory(NULL, "%d rows", 3), PL_ERR_MEMORY);
    assert_int_equal(pl_memory_failures(), before + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_returns_its_code),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(prefix_comes_first_and_keeps_the_code),
        cmocka_unit_test(may_quote_itself),
        cmocka_unit_test(long_messages_stay_utf8),
        cmocka_unit_test(every_code_has_a_name),
        cmocka_unit_test(lack_of_memory_names_what_and_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
