#include "core/io/safetensors.h"

#include "core/io/checkpoint.h"
#include "tests/support/check.h"
#include "tests/support/own_folder.h"

#include <math.h>

static const uint64_t pair[] = {2, 3}, none[] = {0, 3};
static const pl_st_entry entries[] = {
    {"half.z", PL_F16, 2, pair},  {"wide", PL_F32, 2, pair},   {"half.a", PL_BF16, 2, pair},
    {"nothing", PL_F32, 2, none}, {"scalar", PL_F16, 0, NULL},
};
enum { COUNT = sizeof entries / sizeof entries[0] };

static void what_is_written_reads_back(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_st_writer *writer = NULL;
    static const char *const metadata[] = {"format", "pt", "made", "\xc3\xa9\n", NULL};
    const float values[] = {1, -2.5f, 3, 0.1f, 5e-8f, 100};
    double worst = 0;
    const char *path = pl_temp_path(temp, "out.safetensors");
    pl_check_ok(pl_st_writer_create(path, entries, NULL, COUNT, metadata, &writer, &err), err);
    static const char *const order[] = {"nothing", "wide", "half.a", "half.z", "scalar"};
    for (size_t i = 0; i < COUNT; i++) {
        const pl_st_entry *e = &entries[pl_st_writer_order(writer, i)];
        assert_string_equal(e->name, order[i]);
        size_t count = e->n_dims == 0 ? 1 : e->dims[0] * e->dims[1];
        size_t first = count > 1 ? 2 : count;
        pl_check_ok(pl_st_writer_put(writer, values, first, &worst, &err), err);
        pl_check_ok(pl_st_writer_put(writer, values + first, count - first, &worst, &err), err);
    }
    assert_int_equal(access(path, F_OK), -1);
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    pl_check_close(worst, fabs(0.1f - pl_bf16_to_f32(pl_f32_to_bf16(0.1f))), 1e-9, 0);

    pl_checkpoint *c = NULL;
    pl_check_ok(pl_checkpoint_open(path, &c, &err), err);
    assert_int_equal(pl_checkpoint_count(c), COUNT);
    assert_int_equal(pl_checkpoint_find(c, "wide")->offset % 8, 0);
    assert_string_equal(json_string_value(json_object_get(pl_checkpoint_metadata(c), "made")),
                        "\xc3\xa9\n");
    for (size_t i = 0; i < COUNT; i++) {
        const pl_tensor *t = pl_checkpoint_find(c, entries[i].name);
        float out[6];
        assert_int_equal(t->dtype, entries[i].dtype);
        assert_int_equal(t->n_dims, entries[i].n_dims);
        pl_check_ok(pl_checkpoint_read(c, t, 0, pl_tensor_rows(t), out, &err), err);
        for (size_t j = 0; j < pl_tensor_elements(t); j++) {
            double rel = t->dtype == PL_F32 ? 0 : t->dtype == PL_F16 ? 0x1p-11 : 0x1p-8;
            pl_check_close(out[j], values[j], rel, t->dtype == PL_F16 ? 0x1p-25 : 0);
        }
    }
    pl_checkpoint_close(c);
}

static void missing_and_surplus_values(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_st_writer *writer = NULL;
    const float values[8] = {0};
    const char *path = pl_temp_path(temp, "short.safetensors");
    pl_check_ok(pl_st_writer_create(path, entries + 1, NULL, 1, NULL, &writer, &err), err);
    pl_check_ok(pl_st_writer_put(writer, values, 4, NULL, &err), err);
    assert_int_equal(pl_st_writer_commit(writer, &err), PL_ERR_STATE);
    pl_check_says(err, "tensor 'wide' has 4 of its 6 values");
    assert_int_equal(pl_st_writer_put(writer, values, 3, NULL, &err), PL_ERR_USAGE);
    pl_check_says(err, "1 values more");
    pl_st_writer_destroy(writer);
    assert_int_equal(access(path, F_OK), -1);
    pl_st_writer_destroy(NULL);
}

static void infinities_are_not_written(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_st_writer *writer = NULL;
    const float values[] = {1, 2, 70000, 0, 0, 0};
    pl_check_ok(pl_st_writer_create(pl_temp_path(temp, "inf.safetensors"), entries, NULL, 1, NULL,
                                    &writer, &err),
                err);
    assert_int_equal(pl_st_writer_put(writer, values, 6, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "tensor 'half.z': 70000 at element 2 is not finite in F16");
    pl_st_writer_destroy(writer);
}

static void bad_lists_are_refused(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_st_writer *writer = NULL;
    const char *path = pl_temp_path(temp, "bad.safetensors");
    const pl_st_entry twice[] = {entries[0], entries[0]};
    assert_int_equal(pl_st_writer_create(path, twice, NULL, 2, NULL, &writer, &err), PL_ERR_USAGE);
    pl_check_says(err, "'half.z' is listed twice");
    assert_null(writer);
    static const uint64_t huge[] = {UINT64_C(1) << 40, UINT64_C(1) << 40};
    const pl_st_entry wrong[] = {
        {"q", PL_Q4_1, 2, pair}, {"__metadata__", PL_F32, 2, pair}, {"huge", PL_F32, 2, huge}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pl_st_writer_create(path, wrong + i, NULL, 1, NULL, &writer, &err),
                         PL_ERR_USAGE);
        pl_check_says(err, wrong[i].name);
    }
    const pl_st_entry raw = {"\xff", PL_F32, 2, pair};
    assert_int_equal(pl_st_writer_create(path, &raw, NULL, 1, NULL, &writer, &err), PL_ERR_FORMAT);
    pl_check_says(err, "UTF-8");
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(missing_and_surplus_values),
        cmocka_unit_test(infinities_are_not_written),
        cmocka_unit_test(bad_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
