#include "core/io/checkpoint.h"
#include "core/io/gguf_write.h"

#include "tests/support/check.h"
#include "tests/support/make_files.h"
#include "tests/support/own_folder.h"

static pl_checkpoint *open_file(pl_temp *temp, const char *name, pl_buf *file)
{
    pl_checkpoint *checkpoint = NULL;
    pl_error err;
    pl_check_ok(
        pl_checkpoint_open(pl_temp_write(temp, name, file->data, file->size), &checkpoint, &err),
        err);
    pl_buf_deinit(file);
    return checkpoint;
}

static void one_safetensors_file(void **state)
{
    pl_buf file = {0};
    pl_error err;
    make_safetensors(&file,
                     "{\"__metadata__\":{\"format\":\"pt\"},"
                     "\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[24,32]},"
                     "\"w\":{\"dtype\":\"F32\",\"shape\":[2,1,2],\"data_offsets\":[0,16]},"
                     "\"scalar\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[32,34]},"
                     "\"h\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[16,24]},"
                     "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[34,34]},"
                     "\"new\":{\"dtype\":\"Q9\",\"shape\":[3],\"data_offsets\":[34,36]}}  ",
                     36);
    static const float w[] = {1, -2, 3, 4.5f};
    static const uint16_t h[] = {0x3c00, 0xc000, 0x0001, 0x7bff};
    char *data = file.data + file.size - 36;
    memcpy(data, w, sizeof w);
    memcpy(data + 16, h, sizeof h);
    memcpy(data + 32, "\x80\x3f", 2);
    size_t size = file.size;
    pl_checkpoint *c = open_file(*state, "model.safetensors", &file);

    assert_int_equal(pl_checkpoint_container(c), PL_SAFETENSORS);
    assert_string_equal(pl_checkpoint_folder(c), ((pl_temp *)*state)->folder);
    assert_int_equal(pl_checkpoint_count(c), 6);
    assert_int_equal(pl_checkpoint_bytes(c), size);
    assert_string_equal(json_string_value(json_object_get(pl_checkpoint_metadata(c), "format")),
                        "pt");
    assert_string_equal(pl_checkpoint_tensor(c, 0)->name, "w");
    assert_null(pl_checkpoint_find(c, "absent"));

    float out[4] = {0};
    const pl_tensor *t = pl_checkpoint_find(c, "w");
    assert_int_equal(pl_tensor_rows(t), 2);
    assert_int_equal(pl_tensor_cols(t), 2);
    pl_check_ok(pl_checkpoint_read(c, t, 0, 2, out, &err), err);
    assert_memory_equal(out, w, sizeof w);
    pl_check_ok(pl_checkpoint_read(c, t, 1, 1, out, &err), err);
    assert_memory_equal(out, w + 2, 8);
    pl_check_ok(pl_checkpoint_read(c, t, 2, 0, NULL, &err), err);
    assert_int_equal(pl_checkpoint_read(c, t, 1, 2, out, &err), PL_ERR_USAGE);
    pl_check_says(err, "tensor 'w' has 2 rows, asked for 2 from row 1");
    assert_int_equal(pl_checkpoint_read(c, t, SIZE_MAX, 2, out, &err), PL_ERR_USAGE);

    t = pl_checkpoint_find(c, "h");
    pl_check_ok(pl_checkpoint_read(c, t, 0, 1, out, &err), err);
    expect_close(out[0], 1, 0);
    expect_close(out[1], -2, 0);
    expect_close(out[2], 0x1p-24f, 0);
    expect_close(out[3], 65504, 0);
    t = pl_checkpoint_find(c, "scalar");
    assert_int_equal(pl_tensor_elements(t), 1);
    pl_check_ok(pl_checkpoint_read(c, t, 0, 1, out, &err), err);
    expect_close(out[0], 1, 0);
    t = pl_checkpoint_find(c, "empty");
    assert_int_equal(pl_tensor_elements(t), 0);
    pl_check_ok(pl_checkpoint_read(c, t, 0, 0, out, &err), err);

    t = pl_checkpoint_find(c, "ids");
    assert_int_equal(t->dtype, PL_DTYPE_OTHER);
    assert_int_equal(pl_checkpoint_read(c, t, 0, 1, out, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "tensor 'ids' has dtype I64, expected F32");
    assert_string_equal(pl_checkpoint_find(c, "new")->dtype_name, "Q9");
    assert_int_equal(pl_checkpoint_find(c, "new")->bytes, 2);
    pl_checkpoint_close(c);
    pl_checkpoint_close(NULL);
}

static void shards_under_an_index(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    pl_error err;
    static const char *const names[] = {"z.safetensors", "a.safetensors"};
    for (int i = 0; i < 2; i++) {
        pl_buf file = {0};
        char json[200];
        snprintf(json, sizeof json,
                 "{\"__metadata__\":{\"from%d\":\"x\"},"
                 "\"t%d\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}}",
                 i, i);
        make_safetensors(&file, json, 4);
        float value = (float)(i + 1);
        memcpy(file.data + file.size - 4, &value, 4);
        pl_temp_write(&temp, names[i], file.data, file.size);
        pl_buf_deinit(&file);
    }
    const char *index = "{\"metadata\":{\"total_size\":8},\"weight_map\":"
                        "{\"t0\":\"z.safetensors\",\"t1\":\"a.safetensors\"}}";
    pl_temp_write(&temp, "model.safetensors.index.json", index, strlen(index));
    for (int way = 0; way < 2; way++) {
        pl_checkpoint *c = NULL;
        const char *path =
            way == 0 ? temp.folder : pl_temp_path(&temp, "model.safetensors.index.json");
        pl_check_ok(pl_checkpoint_open(path, &c, &err), err);
        assert_int_equal(pl_checkpoint_shards(c), 2);
        assert_int_equal(pl_checkpoint_count(c), 2);
        assert_string_equal(pl_checkpoint_folder(c), temp.folder);
        assert_int_equal(json_object_size(pl_checkpoint_metadata(c)), 2);
        for (int i = 0; i < 2; i++) {
            char name[4];
            float out = 0;
            snprintf(name, sizeof name, "t%d", i);
            const pl_tensor *t = pl_checkpoint_find(c, name);
            assert_non_null(t);
            assert_non_null(strstr(pl_file_path(pl_checkpoint_shard(c, t->shard)), names[i]));
            pl_check_ok(pl_checkpoint_read(c, t, 0, 1, &out, &err), err);
            expect_close(out, (float)(i + 1), 0);
        }
        pl_checkpoint_close(c);
    }
    pl_temp_deinit(&temp);
}

static void add_values(pl_buf *file)
{
    static const double pi = 3.25;
    make_key(file, "u8", 0);
    pl_buf_append(file, "\xff", 1);
    make_key(file, "i8", 1);
    pl_buf_append(file, "\xff", 1);
    make_key(file, "i16", 3);
    pl_buf_append(file, "\xfe\xff", 2);
    make_key(file, "i32", 5);
    make_u32(file, UINT32_MAX);
    make_key(file, "f32", 6);
    make_u32(file, 0xbf800000);
    make_key(file, "nan", 6);
    make_u32(file, 0x7fc00000);
    make_key(file, "yes", 7);
    pl_buf_append(file, "\1", 1);
    make_key(file, "general.architecture", 8);
    make_text(file, "llama");
    make_key(file, "u64", 10);
    make_u64(file, UINT64_MAX);
    make_key(file, "i64", 11);
    make_u64(file, (uint64_t)-5);
    make_key(file, "f64", 12);
    pl_buf_append(file, &pi, sizeof pi);
    make_key(file, "list", 9);
    make_u32(file, 2);
    make_u64(file, 3);
    pl_buf_append(file, "\1\0\2\0\3\0", 6);
    make_key(file, "tokens", 9);
    make_u32(file, 8);
    make_u64(file, 3);
    make_text(file, "ab");
    make_text(file, "\xe2\x96");
    make_u64(file, 3);
    pl_buf_append(file, "x\0y", 3);
}

static pl_checkpoint *make_and_open_gguf(pl_temp *temp, uint32_t version)
{
    static const uint64_t q8[] = {32, 2}, q4[] = {64, 2, 2}, k[] = {256, 1}, other[] = {5};
    pl_buf file = {0};
    make_gguf(&file, version, 5, 13);
    add_values(&file);
    make_info(&file, "blk.0.a", 2, q8, 8, 0);
    make_info(&file, "blk.0.b", 3, q4, 3, 96);
    make_info(&file, "k", 2, k, 12, 256);
    make_info(&file, "odd", 1, other, 77, 416);
    make_info(&file, "last", 1, other, 0, 448);
    make_padding(&file, 32);
    size_t data = file.size;
    make_zeros(&file, 448 + 20);
    static const uint16_t one = 0x3c00, half = 0x3800;
    memcpy(file.data + data, &half, 2);
    file.data[data + 2] = 4;
    file.data[data + 33] = -6;
    memcpy(file.data + data + 34, &one, 2);
    file.data[data + 36] = 7;
    memcpy(file.data + data + 96, &half, 2);
    memcpy(file.data + data + 98, &one, 2);
    file.data[data + 100] = 0x23;
    memcpy(file.data + data + 256, &half, 2); /* Q4_K: d, no dmin, scales 2 and 1 */
    file.data[data + 260] = 2;
    file.data[data + 261] = 1;
    file.data[data + 272] = 0x31;
    return open_file(temp, "m.gguf", &file);
}

static double number(const pl_checkpoint *c, const char *key)
{
    const json_t *value = json_object_get(pl_checkpoint_metadata(c), key);
    assert_non_null(value);
    return json_number_value(value);
}

static void gguf_metadata(void **state)
{
    pl_checkpoint *c = make_and_open_gguf(*state, 3);
    const json_t *all = pl_checkpoint_metadata(c);
    expect_close(number(c, "u8"), 255, 0);
    expect_close(number(c, "i8"), -1, 0);
    expect_close(number(c, "i16"), -2, 0);
    expect_close(number(c, "i32"), -1, 0);
    expect_close(number(c, "f32"), -1, 0);
    expect_close(number(c, "i64"), -5, 0);
    expect_close(number(c, "u64"), 0x1p64, 0);
    expect_close(number(c, "f64"), 3.25, 0);
    assert_true(json_is_null(json_object_get(all, "nan")));
    assert_true(json_is_true(json_object_get(all, "yes")));
    assert_string_equal(json_string_value(json_object_get(all, "general.architecture")), "llama");
    assert_int_equal(json_array_size(json_object_get(all, "list")), 3);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(all, "list"), 2)), 3);
    const json_t *tokens = json_object_get(all, "tokens");
    assert_string_equal(json_string_value(json_array_get(tokens, 1)), "\\xe2\\x96");

    const char *const *strings = NULL;
    const size_t *sizes = NULL;
    size_t count = 0;
    assert_true(pl_checkpoint_strings(c, "tokens", &strings, &sizes, &count));
    assert_int_equal(count, 3);
    assert_string_equal(strings[0], "ab");
    assert_string_equal(strings[1], "\xe2\x96");
    assert_int_equal(sizes[2], 3);
    assert_memory_equal(strings[2], "x\0y", 4);
    assert_false(pl_checkpoint_strings(c, "list", &strings, &sizes, &count));
    assert_null(strings);
    pl_checkpoint_close(c);
}

static void gguf_tensors(void **state)
{
    for (uint32_t version = 2; version <= 3; version++) {
        pl_checkpoint *c = make_and_open_gguf(*state, version);
        pl_error err;
        float out[256];
        assert_int_equal(pl_checkpoint_container(c), PL_GGUF);
        assert_int_equal(pl_checkpoint_count(c), 5);
        const pl_tensor *t = pl_checkpoint_find(c, "blk.0.a");
        assert_int_equal(t->dims[0], 2); /* slowest first */
        assert_int_equal(t->dims[1], 32);
        pl_check_ok(pl_checkpoint_read(c, t, 0, 2, out, &err), err);
        expect_close(out[0], 2, 0);
        expect_close(out[31], -3, 0);
        expect_close(out[32], 7, 0);
        expect_close(out[33], 0, 0);
        pl_check_ok(pl_checkpoint_read(c, t, 1, 1, out, &err), err);
        expect_close(out[0], 7, 0);
        t = pl_checkpoint_find(c, "blk.0.b");
        assert_int_equal(pl_tensor_rows(t), 4);
        assert_int_equal(pl_tensor_cols(t), 64);
        assert_int_equal(t->bytes, 8 * 20);
        pl_check_ok(pl_checkpoint_read(c, t, 0, 4, out, &err), err);
        expect_close(out[0], 2.5f, 0);
        expect_close(out[16], 2, 0);
        expect_close(out[1], 1, 0);
        expect_close(out[32], 0, 0);
        t = pl_checkpoint_find(c, "k");
        assert_string_equal(t->dtype_name, "Q4_K");
        assert_int_equal(t->bytes, 144);
        pl_check_ok(pl_checkpoint_read(c, t, 0, 1, out, &err), err);
        expect_close(out[0], 1, 0);
        expect_close(out[1], 0, 0);
        expect_close(out[32], 1.5f, 0);
        expect_close(out[255], 0, 0);
        t = pl_checkpoint_find(c, "odd");
        assert_string_equal(t->dtype_name, "type 77");
        assert_int_equal(pl_checkpoint_read(c, t, 0, 1, out, &err), PL_ERR_UNSUPPORTED);
        pl_check_says(err, "tensor 'odd' has dtype type 77, expected F32");
        pl_check_says(err, "or Q2_K to Q6_K");
        assert_int_equal(t->bytes, 32);
        pl_checkpoint_close(c);
    }
}

/* More elements than one piece of the reader, from an odd row on. */
static void long_tensors_are_read_in_pieces(void **state)
{
    enum { ROWS = 300, COLS = 1024 };
    pl_buf file = {0};
    pl_error err;
    make_safetensors(&file,
                     "{\"w\":{\"dtype\":\"BF16\",\"shape\":[300,1024],"
                     "\"data_offsets\":[0,614400]}}",
                     (size_t)ROWS * COLS * 2);
    char *data = file.data + file.size - (size_t)ROWS * COLS * 2;
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++) {
        uint16_t h = (uint16_t)(0x3f80 + i % 4999 % 128);
        memcpy(data + 2 * i, &h, 2);
    }
    pl_checkpoint *c = open_file(*state, "long.safetensors", &file);
    float *out = malloc((size_t)ROWS * COLS * sizeof *out);
    assert_non_null(out);
    pl_check_ok(pl_checkpoint_read(c, pl_checkpoint_tensor(c, 0), 7, 290, out, &err), err);
    for (size_t i = 0; i < (size_t)290 * COLS; i++) {
        size_t at = i + (size_t)7 * COLS;
        expect_close(out[i], 1.0f + (float)(at % 4999 % 128) / 128.0f, 0);
    }
    free(out);
    pl_checkpoint_close(c);
}

/* Tensors without elements have no bytes, wherever they stand. */
static void gguf_with_empty_tensors(void **state)
{
    pl_buf file = {0};
    pl_error err;
    pl_gguf_keys keys = {0};
    pl_gguf_writer *writer = NULL;
    pl_checkpoint *again = NULL;
    char path[600];
    static const uint64_t none[] = {0, 4}, two[] = {2};
    static const float values[] = {1.5f, -2.0f};
    static const pl_gguf_entry entries[] = {{"first", "F32", 2, none, 0},
                                            {"w", "F32", 1, two, sizeof values},
                                            {"between", "F32", 2, none, 0},
                                            {"v", "F32", 1, two, sizeof values},
                                            {"last", "F32", 2, none, 0}};
    make_gguf(&file, 3, 0, 1);
    make_u32_key(&file, "general.alignment", 32);
    make_zeros(&file, 32);
    pl_checkpoint *source = open_file(*state, "source.gguf", &file);
    snprintf(path, sizeof path, "%s/empty.gguf", ((pl_temp *)*state)->folder);
    pl_check_ok(pl_gguf_keys_copy(source, &keys, &err), err);
    pl_check_ok(pl_gguf_writer_create(path, &keys, 0, entries, 5, &writer, &err), err);
    pl_gguf_keys_deinit(&keys);
    pl_check_ok(pl_gguf_writer_put(writer, values, 0, &err), err);
    assert_int_equal(pl_gguf_writer_commit(writer, &err), PL_ERR_STATE);
    for (int i = 0; i < 2; i++) {
        pl_check_ok(pl_gguf_writer_put(writer, values, sizeof values, &err), err);
    }
    assert_int_equal(pl_gguf_writer_put(writer, values, 1, &err), PL_ERR_USAGE);
    pl_check_ok(pl_gguf_writer_commit(writer, &err), err);
    pl_gguf_writer_destroy(writer);
    pl_check_ok(pl_checkpoint_open(path, &again, &err), err);
    assert_int_equal(pl_checkpoint_count(again), 5);
    for (size_t i = 0; i < 5; i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(again, i);
        const bool full = strlen(tensor->name) == 1;
        float read[2] = {0};
        assert_int_equal(tensor->bytes, full ? sizeof values : 0);
        if (full) {
            pl_check_ok(pl_checkpoint_read(again, tensor, 0, 1, read, &err), err);
            assert_memory_equal(read, values, sizeof values);
        }
    }
    pl_checkpoint_close(again);
    pl_checkpoint_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_safetensors_file),
        cmocka_unit_test(shards_under_an_index),
        cmocka_unit_test(gguf_metadata),
        cmocka_unit_test(gguf_tensors),
        cmocka_unit_test(gguf_with_empty_tensors),
        cmocka_unit_test(long_tensors_are_read_in_pieces),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
