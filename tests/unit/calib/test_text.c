/* Reading texts and cutting windows. */
#include "core/calib/text.h"

#include "core/base/file.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/planish-text-XXXXXX";
static char path_a[64], path_b[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path_a, sizeof path_a, "%s/a.txt", folder);
    snprintf(path_b, sizeof path_b, "%s/b.jsonl", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path_a);
    unlink(path_b);
    return rmdir(folder);
}

static void write_file(const char *path, const char *text)
{
    pl_error err;
    pl_check_ok(pl_file_write_all(path, text, strlen(text), &err), err);
}

static void check_text(size_t n_paths, const char *const *paths, const char *expected)
{
    pl_buf out = {0};
    pl_error err;
    pl_check_ok(pl_text_read(paths, n_paths, &out, &err), err);
    assert_string_equal(out.data != NULL ? out.data : "", expected);
    pl_buf_deinit(&out);
}

static void check_fails(const char *path, const char *says)
{
    pl_buf out = {0};
    pl_error err;
    assert_int_equal(pl_text_read(&path, 1, &out, &err), PL_ERR_FORMAT);
    pl_check_says(err, path);
    pl_check_says(err, says);
    pl_buf_deinit(&out);
}

static void test_joined(void **state)
{
    (void)state;
    write_file(path_a, "one\n");
    write_file(path_b, "{\"text\": \"zwei\\u00e9\"}\n\n  \r\n{\"id\": 3, \"text\": \"\"}\n"
                       "{\"text\":\"x\"}");
    const char *both[] = {path_a, path_b};
    check_text(1, both, "one\n");
    check_text(2, both, "one\n\n\nzwei\xc3\xa9\n\n\n\nx");
}

static void test_records_of_a_json(void **state)
{
    (void)state;
    static const char *const names[] = {"c.json", "c.JSON", "c.JsonL"};
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        const char *paths[] = {path};
        write_file(path, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
        check_text(1, paths, "a\n\nb");
        write_file(path, "{\"text\":\n\"a\"}");
        if (i < 2) {
            check_text(1, paths, "a");
            write_file(path, "[{\"text\": \"a\"},\n {\"text\": \"b\"}]");
            check_text(1, paths, "a\n\nb");
            write_file(path, "[{\"text\": \"a\"},\n {\"text\": null}]");
            check_fails(path, "record 2: expected a JSON object with a string `text`");
            write_file(path, "\"prose\"");
            check_fails(path, "line 1: expected");
        } else {
            check_fails(path, "line 1: expected");
        }
        write_file(path, "prose");
        check_fails(path, "line 1: expected a JSON object");
        unlink(path);
    }
}

static void test_bad_lines_are_numbered(void **state)
{
    (void)state;
    write_file(path_b, "{\"text\": \"a\"}\n\n{\"text\": \"b\"\n");
    check_fails(path_b, "line 3: expected a JSON object");
    write_file(path_b, "{\"text\": \"a\"}\n{\"content\": \"b\"}\n");
    check_fails(path_b, "line 2: expected a JSON object with a string `text`");
    write_file(path_b, "{\"text\": 5}\n");
    check_fails(path_b, "line 1: expected");
    write_file(path_b, "[\"text\"]\n");
    check_fails(path_b, "line 1: expected");
    write_file(path_b, "{\"text\": \"a\", \"text\": \"b\"}\n");
    check_fails(path_b, "line 1: expected");
    write_file(path_b, "{\"text\": \"a\xff\"}\n");
    check_fails(path_b, "line 1: expected");
}

static void test_invalid_utf8_is_placed(void **state)
{
    (void)state;
    write_file(path_a, "abc\xc3\x28");
    check_fails(path_a, "byte 3 (0xc3) is not valid UTF-8");
    write_file(path_a, "\xff\xfeh");
    check_fails(path_a, "UTF-16, expected UTF-8");
}

static void test_missing_file(void **state)
{
    (void)state;
    pl_buf out = {0};
    pl_error err;
    const char *none = "/nowhere/at/all.txt";
    assert_int_equal(pl_text_read(&none, 1, &out, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, none);
}

static void test_first_windows(void **state)
{
    (void)state;
    size_t starts[3];
    pl_error err;
    const pl_protocol p = {.length = 10, .windows = 3};
    pl_check_ok(pl_protocol_starts(&p, 30, starts, &err), err);
    assert_int_equal(starts[0], 0);
    assert_int_equal(starts[1], 10);
    assert_int_equal(starts[2], 20);
    assert_int_equal(pl_protocol_starts(&p, 29, starts, &err), PL_ERR_STATE);
    pl_check_says(err, "the text has 2 windows of 10 tokens, 3 were asked");
    assert_int_equal(pl_protocol_starts(&(pl_protocol){.length = 0, .windows = 1}, 5, starts, &err),
                     PL_ERR_USAGE);
}

static void test_random_windows(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    size_t a[MANY], b[MANY], seen[6] = {0};
    pl_error err;
    pl_protocol p = {.length = 10, .windows = MANY, .sample = PL_SAMPLE_RANDOM, .seed = 3};
    pl_check_ok(pl_protocol_starts(&p, 15, a, &err), err);
    pl_check_ok(pl_protocol_starts(&p, 15, b, &err), err);
    assert_memory_equal(a, b, sizeof a);
    for (size_t i = 0; i < MANY; i++) {
        expect_at_most(a[i], 5);
        seen[a[i]]++;
    }
    for (size_t i = 0; i < 6; i++) {
        assert_in_range(seen[i], MANY / 6 - 100, MANY / 6 + 100);
    }
    p.seed = 4;
    pl_check_ok(pl_protocol_starts(&p, 15, b, &err), err);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(pl_protocol_starts(&p, 9, a, &err), PL_ERR_STATE);
    pl_check_says(err, "the text has 0 windows of 10 tokens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_records_of_a_json),
        cmocka_unit_test(test_bad_lines_are_numbered),
        cmocka_unit_test(test_invalid_utf8_is_placed),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_first_windows),
        cmocka_unit_test(test_random_windows),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
