/* Other models than the demo: the shared references, and a checkpoint that means harm. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"
#include "tests/support/make_files.h"
#include "tests/support/shared.h"

#include <dirent.h>
#include <sys/stat.h>

static void check_reference(const char *name)
{
    char model[PL_TEST_PATH];
    char probe[PL_TEST_PATH];
    char file[128];
    char script[6 * PL_TEST_PATH];
    pl_test_shared(name, model);
    snprintf(file, sizeof file, "%s/probe.txt", name);
    pl_test_shared(file, probe);
    snprintf(file, sizeof file, "%s/reference.json", name);
    json_t *reference = pl_test_shared_json(file);
    snprintf(script, sizeof script,
             "tokenize text='%s'; perplexity text='%s' length=64 windows=1;"
             "calibrate text='%s' length=64 windows=1; outliers 1.down_proj top=3;"
             "method astro; method gptq; solve all; perplexity text='%s' length=64 windows=1 "
             "which=after",
             probe, probe, probe, probe);
    run r = RUN("--json", "--store", run_path("store"), model, "-c", script);
    const json_t *ids = json_object_get(run_result(&r, 1), "ids");
    assert_true(json_equal(ids, json_object_get(reference, "tokens")));
    const json_t *measured = run_result(&r, 2);
    expect_close(run_number(measured, "tokens"), 63, 0);
    pl_check_close(run_number(measured, "mean_nll"), run_number(reference, "mean_nll"), 1e-5, 0);
    pl_check_close(run_number(measured, "perplexity"), run_number(reference, "perplexity"), 1e-4,
                   0);
    const json_t *inputs =
        json_object_get(json_object_get(reference, "inputs"), "model.layers.1.mlp.down_proj");
    const json_t *maxima = json_object_get(inputs, "channel_max");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(run_result(&r, 4), "channels"), i, row)
    {
        double expected = json_number_value(
            json_array_get(maxima, (size_t)json_integer_value(json_object_get(row, "channel"))));
        pl_check_close(run_number(row, "max"), expected, 1e-3, 0);
    }
    expect_less(0, run_number(run_last(&r), "kl_mean"));
    run_free(&r);

    /* Written out and opened again, it gives what was printed. */
    char dir[64];
    snprintf(dir, sizeof dir, "export-%s", strrchr(name, '/') + 1);
    snprintf(script, sizeof script,
             "calibrate text='%s' length=64 windows=1; method gptq bits=3; solve all;"
             "perplexity text='%s' length=64 windows=1 which=after; export dir=%s dtype=f32",
             probe, probe, run_path(dir));
    r = RUN("--json", "--store", run_path("store"), model, "-c", script);
    double printed = run_number(run_result(&r, 4), "perplexity");
    pl_check_close(run_number(run_last(&r), "max_dtype_error"), 0, 0, 0);
    run_free(&r);
    snprintf(script, sizeof script, "perplexity text='%s' length=64 windows=1", probe);
    r = RUN("--json", run_path(dir), "-c", script);
    pl_check_close(run_number(run_last(&r), "perplexity"), printed, 1e-4, 0);
    run_free(&r);
    json_decref(reference);
}

static void test_llama2(void **ctx)
{
    (void)ctx;
    check_reference("refs/llama2");
}

static void test_llama3(void **ctx)
{
    (void)ctx;
    check_reference("refs/llama3");
}

static void test_qwen2(void **ctx)
{
    (void)ctx;
    check_reference("refs/qwen2");
}

static void copy_folder(const char *from, const char *to)
{
    assert_int_equal(mkdir(to, 0700), 0);
    DIR *dir = opendir(from);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        pl_error err;
        pl_buf source = {0};
        pl_buf target = {0};
        size_t size = 0;
        pl_path_join(&source, from, entry->d_name);
        pl_path_join(&target, to, entry->d_name);
        if (entry->d_name[0] != '.') {
            char *bytes = run_read(source.data, &size);
            pl_check_ok(pl_file_write_all(target.data, bytes, size, &err), err);
            free(bytes);
        }
        pl_buf_deinit(&source);
        pl_buf_deinit(&target);
    }
    closedir(dir);
}

static void save_json(json_t *json, const char *path)
{
    assert_int_equal(json_dump_file(json, path, 0), 0);
    json_decref(json);
}

#define ESC "\033[2J\033]0;gotcha\a\302\233"

/* The reference's copy: a token full of control characters, and a tensor named so. */
static void make_hostile(const char *folder)
{
    char model[PL_TEST_PATH];
    copy_folder(pl_test_shared("refs/llama2", model), folder);

    char path[1100];
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    json_t *tokenizer = json_load_file(path, 0, NULL);
    json_t *bpe = json_object_get(tokenizer, "model");
    json_t *merges = json_object_get(bpe, "merges");
    /* The last token is nobody's part: it and its merge give way to the bad one. */
    assert_int_equal(json_object_del(json_object_get(bpe, "vocab"), "dur"), 0);
    assert_int_equal(json_array_remove(merges, json_array_size(merges) - 1), 0);
    json_object_set_new(json_object_get(bpe, "vocab"), ESC "x", json_integer(699));
    json_array_append_new(json_object_get(tokenizer, "added_tokens"),
                          json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", 699, "content",
                                    ESC "x", "single_word", 0, "lstrip", 0, "rstrip", 0,
                                    "normalized", 0, "special", 1));
    save_json(tokenizer, path);

    pl_error err;
    pl_buf shard = {0};
    make_safetensors(&shard,
                     "{\"\\u001b[2J\\u0007\\u009bname\":{\"dtype\":\"F64\",\"shape\":[1],"
                     "\"data_offsets\":[0,8]}}",
                     8);
    snprintf(path, sizeof path, "%s/extra.safetensors", folder);
    pl_check_ok(pl_file_write_all(path, shard.data, shard.size, &err), err);
    pl_buf_deinit(&shard);
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    json_t *index = json_load_file(path, 0, NULL);
    json_object_set_new(json_object_get(index, "weight_map"), "\033[2J\a\302\233name",
                        json_string("extra.safetensors"));
    save_json(index, path);
}

/* run_planish itself checks every byte of stdout and stderr. */
static void test_control_characters_stay_inside(void **ctx)
{
    (void)ctx;
    char folder[1024];
    char text[1024];
    char script[4096];
    snprintf(folder, sizeof folder, "%s", run_path("hostile"));
    make_hostile(folder);
    snprintf(text, sizeof text, "%s", run_path("hostile.txt"));
    pl_buf words = {0};
    for (int i = 0; i < 40; i++) {
        pl_buf_printf(&words, "the rest " ESC "x of it\n");
    }
    run_write(text, words.data);
    pl_buf_deinit(&words);
    snprintf(script, sizeof script,
             "info; layers; tokenize text='%s' limit=9; probe 'so " ESC "x it'; calibrate "
             "text='%s' length=32 windows=2; outliers 0.down_proj top=200; method rtn; solve "
             "0.q_proj",
             text, text);
    run r = RUN("--json", folder, "-c", script);
    assert_int_equal(r.n_lines, 9);
    const json_t *tokens = json_object_get(run_result(&r, 4), "tokens");
    size_t index;
    json_t *token;
    bool seen = false;
    json_array_foreach(tokens, index, token)
    {
        const char *shown = json_string_value(json_object_get(token, "text"));
        seen = seen || strstr(shown, "\\x1b[2J\\x1b]0;gotcha\\x07") != NULL;
        run_check_clean(shown);
    }
    assert_true(seen);
    json_array_foreach(json_object_get(run_result(&r, 6), "channels"), index, token)
    {
        const char *shown = json_string_value(json_object_get(token, "token"));
        run_check_clean(shown);
        assert_null(strchr(shown, '\n'));
    }
    run_free(&r);
    r = RUN(folder, "-c", script);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "\\x1b[2J"));
    run_free(&r);

    /* A tensor that cannot be copied is refused by its escaped name. */
    snprintf(script, sizeof script,
             "calibrate text='%s' length=32 windows=2; method rtn; solve all; export dir='%s'",
             text, run_path("never"));
    r = RUN("--json", folder, "-c", script);
    run_check_failed(&r, 1, "\\x1b[2J\\x07");
    run_free(&r);
}

/* A tensor of another dtype is listed, and refused by name where its values are needed. */
static void test_another_dtype_is_listed(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    char folder[1024];
    char path[1100];
    size_t size = 0;
    snprintf(folder, sizeof folder, "%s", run_path("another-dtype"));
    copy_folder(pl_test_shared("refs/llama3", model), folder);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    char *file = run_read(path, &size);
    /* The header is text: the first bytes after its length. */
    char *entry = strstr(file + 8, "\"model.layers.1.mlp.down_proj.weight\"");
    assert_non_null(entry);
    char *dtype = strstr(entry, "\"F16\"");
    assert_non_null(dtype);
    dtype[1] = 'I';
    pl_error err;
    pl_check_ok(pl_file_write_all(path, file, size, &err), err);
    free(file);
    run r = RUN("--json", folder, "-c", "outliers 1.down_proj side=weight");
    run_check_failed(&r, 1, "model.layers.1.mlp.down_proj.weight");
    run_free(&r);
    r = RUN("--json", folder, "-c", "layers");
    json_t *layers = json_object_get(run_result(&r, 1), "layers");
    assert_int_equal(json_array_size(layers), 21);
    run_check_keys(json_array_get(layers, 13), "name rows cols weight_max? weight_ratio?");
    run_check_keys(json_array_get(layers, 6), "name rows cols weight_max weight_ratio");
    run_free(&r);
}

static void test_hostile_architecture(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    char folder[1024];
    char path[1100];
    snprintf(folder, sizeof folder, "%s", run_path("stranger"));
    copy_folder(pl_test_shared("refs/qwen2", model), folder);
    snprintf(path, sizeof path, "%s/config.json", folder);
    json_t *config = json_load_file(path, 0, NULL);
    json_object_set_new(config, "model_type", json_string(ESC "gpt"));
    json_object_set_new(config, "architectures", json_pack("[s]", ESC "ForCausalLM"));
    save_json(config, path);
    run r = RUN("--json", folder, "-c", "info");
    run_check_failed(&r, 1, "\\x1b[2J");
    assert_non_null(strstr(r.err, "llama"));
    assert_non_null(strstr(r.err, "qwen2"));
    run_free(&r);
    r = RUN("--json", "\033[2J\a", "-c", "info"); /* a model's name, too */
    run_check_failed(&r, 1, "\\x1b[2J");
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama2),
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_qwen2),
        cmocka_unit_test(test_control_characters_stay_inside),
        cmocka_unit_test(test_another_dtype_is_listed),
        cmocka_unit_test(test_hostile_architecture),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
