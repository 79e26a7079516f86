#include "core/base/file.h"

#include "tests/support/check.h"
#include "tests/support/own_folder.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

static void reads_by_position(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_file *file = NULL;
    char out[8] = {0};
    pl_check_ok(pl_file_open(pl_temp_write(temp, "a", "0123456789", 10), &file, &err), err);
    assert_int_equal(pl_file_size(file), 10);
    assert_string_equal(pl_file_path(file), temp->path);
    pl_check_ok(pl_file_read(file, 3, out, 4, &err), err);
    assert_string_equal(out, "3456");
    pl_check_ok(pl_file_read(file, 10, out, 0, &err), err);
    assert_int_equal(pl_file_read(file, 7, out, 4, &err), PL_ERR_FORMAT);
    pl_check_says(err, "ends at byte 10, expected 4 bytes at offset 7");
    assert_int_equal(pl_file_read(file, UINT64_MAX, out, 4, &err), PL_ERR_FORMAT);
    pl_file_close(file);
    pl_file_close(NULL);
}

static void says_when_a_file_changed(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_file *file = NULL;
    char out[4];
    char path[1024];
    snprintf(path, sizeof path, "%s", pl_temp_write(temp, "b", "0123456789", 10));
    pl_check_ok(pl_file_open(path, &file, &err), err);
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(pl_file_read(file, 0, out, 1, &err), PL_ERR_CHANGED);
    pl_check_says(err, "changed since it was opened");
    pl_file_close(file);

    pl_check_ok(pl_file_open(path, &file, &err), err);
    const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(pl_file_read(file, 0, out, 1, &err), PL_ERR_CHANGED);
    pl_file_close(file);
}

static void refuses_what_is_no_file(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_file *file = (pl_file *)temp;
    assert_int_equal(pl_file_open(pl_temp_path(temp, "absent"), &file, &err), PL_ERR_NOT_FOUND);
    assert_null(file);
    pl_check_says(err, "absent: cannot be opened: No such file");
    assert_int_equal(pl_file_open(temp->folder, &file, &err), PL_ERR_IO);
    pl_check_says(err, "expected a regular file");
    assert_int_equal(mkfifo(pl_temp_path(temp, "fifo"), 0600), 0);
    assert_int_equal(pl_file_open(temp->path, &file, &err), PL_ERR_IO);
    pl_check_says(err, "expected a regular file");
}

static void reads_whole_files_up_to_a_limit(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    char *text = NULL;
    size_t size = 0;
    pl_temp_write(temp, "c", "hello", 5);
    pl_check_ok(pl_file_read_all(temp->path, 5, &text, &size, &err), err);
    assert_int_equal(size, 5);
    assert_string_equal(text, "hello");
    free(text);
    assert_int_equal(pl_file_read_all(temp->path, 4, &text, &size, &err), PL_ERR_FORMAT);
    assert_null(text);
    pl_check_says(err, "has 5 bytes, expected at most 4");
    pl_temp_write(temp, "c", "", 0);
    pl_check_ok(pl_file_read_all(temp->path, 4, &text, &size, &err), err);
    assert_string_equal(text, "");
    free(text);
}

static void writes_whole_or_not_at_all(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_writer *writer = NULL;
    char *text = NULL;
    size_t size = 0;
    char path[1024];
    pl_check_ok(pl_file_make_dirs(pl_temp_path(temp, "w"), &err), err);
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", temp->path);
    snprintf(path, sizeof path, "%s", pl_temp_write(temp, "w/out", "old", 3));

    pl_check_ok(pl_writer_create(path, &writer, &err), err);
    pl_check_ok(pl_writer_write(writer, "new", 3, &err), err);
    pl_writer_destroy(writer);
    pl_check_ok(pl_file_read_all(path, 10, &text, &size, &err), err);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(pl_temp_count_names(folder), 1);

    for (int synced = 0; synced < 2; synced++) {
        pl_check_ok(pl_writer_create(path, &writer, &err), err);
        pl_check_ok(pl_writer_write(writer, "newer", 5, &err), err);
        pl_check_ok(synced != 0 ? pl_writer_commit(writer, &err) : pl_writer_publish(writer, &err),
                    err);
        pl_writer_destroy(writer);
        pl_check_ok(pl_file_read_all(path, 10, &text, &size, &err), err);
        assert_string_equal(text, "newer");
        free(text);
        assert_int_equal(pl_temp_count_names(folder), 1);
    }
    mode_t mask = umask(0);
    umask(mask);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
    pl_check_ok(pl_file_write_all(path, "x", 1, &err), err);
}

static void writing_nowhere_is_a_sentence(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_writer *writer = (pl_writer *)temp;
    assert_int_equal(pl_writer_create(pl_temp_path(temp, "no/such/file"), &writer, &err),
                     PL_ERR_IO);
    assert_null(writer);
    pl_check_says(err, "no/such/file: cannot be written: No such file");
    pl_temp_write(temp, "plain", "", 0);
    assert_int_equal(pl_file_make_dirs(pl_temp_path(temp, "plain/sub"), &err), PL_ERR_IO);
    assert_int_equal(pl_file_make_dirs(pl_temp_path(temp, "plain"), &err), PL_ERR_IO);
    pl_check_says(err, "expected a folder");
    pl_check_ok(pl_file_make_dirs(pl_temp_path(temp, "x/y//z/"), &err), err);
    pl_check_ok(pl_file_make_dirs(temp->path, &err), err);
}

static void takes_the_last_name_of_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name, *last;
    } cases[] = {
        {"a/b", "b", "b"},   {"a", "a", "a"}, {"/a", "a", "a"}, {"a/b/", "a/b/", "b"},
        {"a//", "a//", "a"}, {"/", "/", ""},  {"", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length = 0;
        const char *last = pl_path_last(cases[i].path, &length);
        assert_string_equal(pl_path_name(cases[i].path), cases[i].name);
        assert_int_equal(length, strlen(cases[i].last));
        assert_memory_equal(last, cases[i].last, length);
    }
}

static void joins_paths_with_one_slash(void **state)
{
    (void)state;
    pl_buf path = {0};
    pl_path_join(&path, "a/", "b");
    assert_string_equal(path.data, "a/b");
    pl_buf_deinit(&path);
    pl_path_join(&path, "a", "b");
    assert_string_equal(path.data, "a/b");
    pl_buf_deinit(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_by_position),
        cmocka_unit_test(says_when_a_file_changed),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(reads_whole_files_up_to_a_limit),
        cmocka_unit_test(writes_whole_or_not_at_all),
        cmocka_unit_test(writing_nowhere_is_a_sentence),
        cmocka_unit_test(takes_the_last_name_of_a_path),
        cmocka_unit_test(joins_paths_with_one_slash),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
