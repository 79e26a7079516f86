#include "core/io/npy.h"

#include "core/base/file.h"
#include "core/io/checkpoint.h"
#include "tests/support/check.h"
#include "tests/support/temp.h"

#include <string.h>

/* A file with this version and dict, and count zero bytes behind it. */
static const char *write_npy(pl_temp *temp, int version, const char *dict, size_t count)
{
    static char bytes[4096];
    size_t length = strlen(dict);
    size_t at = version == 1 ? 10 : 12;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (char)version;
    bytes[8] = (char)length;
    memcpy(bytes + at, dict, length);
    return pl_temp_write(temp, "x.npy", bytes, at + length + count);
}

static void reads_what_was_written(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    pl_error err;
    pl_checkpoint *checkpoint = NULL;
    static const float raw[] = {1, -2, 3.5f, 4, 5, 6};
    float back[6] = {0};
    const char *path = pl_temp_path(&temp, "some.weight.npy");
    pl_check_ok(pl_npy_write(path, (pl_view){raw, 2, 3, 3}, 0, &err), err);
    pl_check_ok(pl_checkpoint_open(path, &checkpoint, &err), err);
    assert_int_equal(pl_checkpoint_container(checkpoint), PL_NPY);
    assert_int_equal(pl_checkpoint_count(checkpoint), 1);
    const pl_tensor *tensor = pl_checkpoint_find(checkpoint, "some.weight");
    assert_non_null(tensor);
    assert_int_equal(tensor->n_dims, 2);
    assert_int_equal(tensor->dims[0], 2);
    assert_int_equal(tensor->dims[1], 3);
    assert_int_equal(tensor->dtype, PL_F32);
    pl_check_ok(pl_checkpoint_read(checkpoint, tensor, 0, 2, back, &err), err);
    assert_memory_equal(back, raw, sizeof raw);
    pl_checkpoint_close(checkpoint);
    pl_temp_deinit(&temp);
}

static void reads_half_floats_of_later_versions(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    pl_error err;
    for (int version = 1; version <= 3; version++) {
        pl_checkpoint *checkpoint = NULL;
        const char *path = write_npy(
            &temp, version, "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2, 3), }\n", 24);
        pl_check_ok(pl_checkpoint_open(path, &checkpoint, &err), err);
        const pl_tensor *tensor = pl_checkpoint_tensor(checkpoint, 0);
        assert_string_equal(tensor->name, "x");
        assert_int_equal(tensor->dtype, PL_F16);
        assert_int_equal(pl_tensor_rows(tensor), 4);
        assert_int_equal(pl_tensor_cols(tensor), 3);
        pl_checkpoint_close(checkpoint);
    }
    pl_temp_deinit(&temp);
}

static void refuses_the_rest_in_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *dict, *says;
        size_t bytes;
    } cases[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", "is '<f8', expected '<f4'",
         16},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "ascontiguousarray", 16},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", "holds 12 bytes", 12},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", "holds 20 bytes", 20},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, -2), }", "'shape' is no tuple", 16},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2", "'shape' is no tuple", 16},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }",
         "'shape' is no tuple", 16},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387903, 9), }",
         "overflows", 16},
        {"{'descr': '<f4', 'fortran_order': False, }", "'shape' is no tuple", 16},
        {"{'fortran_order': False, 'shape': (2, 2), }", "is '', expected", 16},
        {"", "is '', expected", 16},
    };
    pl_temp temp;
    pl_temp_init(&temp);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_error err = {0};
        pl_checkpoint *checkpoint = NULL;
        const char *path = write_npy(&temp, 1, cases[i].dict, cases[i].bytes);
        assert_int_not_equal(pl_checkpoint_open(path, &checkpoint, &err), PL_OK);
        assert_null(checkpoint);
        pl_check_says(err, "x.npy");
        pl_check_says(err, cases[i].says);
    }
    pl_error err = {0};
    pl_checkpoint *checkpoint = NULL;
    assert_int_equal(pl_checkpoint_open(pl_temp_write(&temp, "y.npy",
                                                      "\x93NUMPY\x09\x00\x10\x00"
                                                      "abcdef",
                                                      16),
                                        &checkpoint, &err),
                     PL_ERR_FORMAT);
    pl_check_says(err, "version 1 to 3");
    assert_int_equal(
        pl_checkpoint_open(pl_temp_write(&temp, "y.npy", "\x93NUMPY\x01\x00\xff\x7f  ", 12),
                           &checkpoint, &err),
        PL_ERR_FORMAT);
    pl_check_says(err, "header is longer");
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(reads_half_floats_of_later_versions),
        cmocka_unit_test(refuses_the_rest_in_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
