#include "core/io/npy.h"

#include "core/base/file.h"
#include "tests/support/check.h"
#include "tests/support/temp.h"

static void check_file(const char *path, const char *shape, const float *values, size_t count)
{
    char *bytes = NULL;
    size_t size = 0;
    pl_error err;
    char dict[200];
    pl_check_ok(pl_file_read_all(path, 1 << 20, &bytes, &size, &err), err);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00", 8);
    size_t length = (unsigned char)bytes[8] + 256u * (unsigned char)bytes[9];
    assert_int_equal((10 + length) % 64, 0);
    assert_int_equal(bytes[10 + length - 1], '\n');
    snprintf(dict, sizeof dict, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
    assert_memory_equal(bytes + 10, dict, strlen(dict));
    for (size_t i = 10 + strlen(dict); i < 10 + length - 1; i++) {
        assert_int_equal(bytes[i], ' ');
    }
    assert_int_equal(size, 10 + length + count * sizeof(float));
    assert_memory_equal(bytes + 10 + length, values, count * sizeof(float));
    free(bytes);
}

static void writes_what_numpy_reads(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    pl_error err;
    static const float raw[] = {1, 2, 3, 4, 5, 6}, narrow[] = {1, 2, 4, 5};
    const char *path = pl_temp_path(&temp, "a.npy");
    pl_check_ok(pl_npy_write(path, (pl_view){raw, 2, 3, 3}, 0, &err), err);
    check_file(path, "(2, 3)", raw, 6);
    pl_check_ok(pl_npy_write(path, (pl_view){raw, 2, 2, 3}, 1, &err), err);
    check_file(path, "(2, 2)", narrow, 4);
    pl_check_ok(pl_npy_write(path, (pl_view){raw, 1, 6, 6}, 1, &err), err);
    check_file(path, "(6,)", raw, 6);
    pl_check_ok(pl_npy_write(path, (pl_view){raw, 1, 6, 6}, 0, &err), err);
    check_file(path, "(1, 6)", raw, 6);
    assert_int_equal(
        pl_npy_write(pl_temp_path(&temp, "no/a.npy"), (pl_view){raw, 1, 6, 6}, 0, &err), PL_ERR_IO);
    pl_check_says(err, "no/a.npy: cannot be written");
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes_what_numpy_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
