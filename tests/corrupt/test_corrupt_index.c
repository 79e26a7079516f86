#include "tests/corrupt/open_bad.h"
#include "tests/support/own_folder.h"

#define ENTRY(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"

/* s1 holds a, s2 holds b, bad is no safetensors file. */
static const struct {
    const char *what, *json, *words;
} cases[] = {
    {"no JSON", "nonsense", "not valid UTF-8 JSON"},
    {"duplicate tensor", "{\"weight_map\":{\"a\":\"s1.safetensors\",\"a\":\"s2.safetensors\"}}",
     "unique keys"},
    {"no map", "{\"metadata\":{}}", "weight_map: expected an object"},
    {"empty map", "{\"weight_map\":{}}", "weight_map: expected an object"},
    {"map a list", "{\"weight_map\":[\"s1.safetensors\"]}", "weight_map: expected an object"},
    {"an array", "[1]", "weight_map: expected an object"},
    {"file a number", "{\"weight_map\":{\"a\":1}}", "'a'|expected the name of a file"},
    {"file with a folder", "{\"weight_map\":{\"a\":\"sub/s1.safetensors\"}}",
     "'a'|sub/s1.safetensors|in the same folder"},
    {"absolute file", "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "in the same folder"},
    {"file above", "{\"weight_map\":{\"a\":\"../s1.safetensors\"}}", "in the same folder"},
    {"the parent", "{\"weight_map\":{\"a\":\"..\"}}", "in the same folder"},
    {"no name", "{\"weight_map\":{\"a\":\"\"}}", "in the same folder"},
    {"missing shard", "{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s9.safetensors\"}}",
     "weight_map|the shard s9.safetensors is not in the folder"},
    {"tensor in the other shard",
     "{\"weight_map\":{\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\"}}",
     "s1.safetensors holds tensor 'a', expected it to be in the shard listed for it"},
    {"tensor not listed", "{\"weight_map\":{\"a\":\"s1.safetensors\",\"c\":\"s2.safetensors\"}}",
     "s2.safetensors holds tensor 'b', expected it to be listed"},
    {"the same tensor in two shards",
     "{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s3.safetensors\"}}",
     "tensor 'a' occurs twice, expected unique names"},
};

static void every_bad_index_is_named(void **state)
{
    pl_temp *temp = *state;
    static const char *const shards[][2] = {{"s1.safetensors", ENTRY("a")},
                                            {"s2.safetensors", ENTRY("b")},
                                            {"s3.safetensors", ENTRY("a")}};
    for (size_t i = 0; i < 3; i++) {
        pl_buf file = {0};
        make_safetensors(&file, shards[i][1], 4);
        pl_temp_write(temp, shards[i][0], file.data, file.size);
        pl_buf_deinit(&file);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_temp_write(temp, "model.safetensors.index.json", cases[i].json, strlen(cases[i].json));
        /* The twice-held tensor is reported with the shard's path, in the same folder. */
        if (strstr(cases[i].words, "occurs twice") != NULL) {
            pl_checkpoint *checkpoint = NULL;
            pl_error err;
            assert_int_equal(pl_checkpoint_open(temp->folder, &checkpoint, &err), PL_ERR_FORMAT);
            pl_check_says(err, cases[i].words);
            continue;
        }
        check_refused(cases[i].what, temp->path, cases[i].words);
    }
}

/* A tensor that nobody may need: whoever does need it says so. */
static void a_tensor_that_no_shard_holds_is_told(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_checkpoint *checkpoint = NULL;
    const char *json = "{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\","
                       "\"c\":\"s2.safetensors\"}}";
    pl_temp_write(temp, "model.safetensors.index.json", json, strlen(json));
    pl_check_ok(pl_checkpoint_open(temp->folder, &checkpoint, &err), err);
    assert_int_equal(pl_checkpoint_count(checkpoint), 2);
    assert_non_null(strstr(pl_checkpoint_note(checkpoint), "1 tensor that no shard holds (c)"));
    pl_checkpoint_close(checkpoint);
}

static void a_bad_shard_is_named(void **state)
{
    pl_temp *temp = *state;
    pl_checkpoint *checkpoint = NULL;
    pl_error err;
    pl_temp_write(temp, "bad.safetensors", "12345678{}", 10);
    const char *json = "{\"weight_map\":{\"a\":\"bad.safetensors\"}}";
    pl_temp_write(temp, "model.safetensors.index.json", json, strlen(json));
    assert_int_equal(pl_checkpoint_open(temp->folder, &checkpoint, &err), PL_ERR_FORMAT);
    pl_check_says(err, "bad.safetensors: header length");
}

static void a_folder_without_a_checkpoint(void **state)
{
    (void)state;
    pl_temp empty;
    pl_temp_init(&empty);
    check_refused("empty folder", empty.folder, "holds no checkpoint|model.safetensors");
    check_refused("absent", pl_temp_path(&empty, "absent"), "no such file or folder");
    check_refused("absent", pl_temp_path(&empty, "absent.gguf"), "No such file");
    check_refused("other", pl_temp_write(&empty, "a.onnx", "x", 1), "expected a folder");
    pl_temp_deinit(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_index_is_named),
        cmocka_unit_test(a_tensor_that_no_shard_holds_is_told),
        cmocka_unit_test(a_bad_shard_is_named),
        cmocka_unit_test(a_folder_without_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
