/* The shared cases of checkpoint files: each gives the number that transformers gives, or says what
 * the file is.  The right values are those of the cases' READMEs. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"
#include "tests/support/shared.h"

#include <sys/stat.h>

/* cases/NAME, which must be there. */
static const char *case_path(const char *name, char path[PL_TEST_PATH])
{
    char file[300];
    snprintf(file, sizeof file, "cases/%s", name);
    return pl_test_shared(file, path);
}

/* Perplexity of the case's probe.txt, or of another's, after the commands in `before`. */
static run measure(const char *model, const char *probe, const char *before)
{
    char text[PL_TEST_PATH];
    char script[2 * PL_TEST_PATH];
    snprintf(script, sizeof script, "%s perplexity text='%s' length=64 windows=1", before,
             case_path(probe, text));
    return RUN("--json", "--store", run_path("store"), model, "-c", script);
}

static void check_case(const char *name, double perplexity)
{
    char model[PL_TEST_PATH];
    char probe[256];
    const char *slash = strchr(name, '/');
    snprintf(probe, sizeof probe, "%.*s/probe.txt",
             (int)(slash != NULL ? (size_t)(slash - name) : strlen(name)), name);
    run r = measure(case_path(name, model), probe, "");
    pl_check_close(run_number(run_last(&r), "perplexity"), perplexity, 2e-6, 0);
    run_free(&r);
}

static void biases_behind_every_projection(void **ctx)
{
    (void)ctx;
    check_case("09-llama-biases", 827.658076);
    check_case("09b-gguf-llama-mlp-o-biases/biases.gguf", 766.277999);
    check_case("09b-gguf-llama-mlp-o-biases/hf", 766.277999);
}

/* Quantized, written and read again, biases and all; and two files of one model are the same. */
static void biases_are_exported_and_imported(void **ctx)
{
    (void)ctx;
    char gguf[PL_TEST_PATH];
    char hf[PL_TEST_PATH];
    char text[PL_TEST_PATH];
    char script[6 * PL_TEST_PATH];
    case_path("09b-gguf-llama-mlp-o-biases/biases.gguf", gguf);
    case_path("09b-gguf-llama-mlp-o-biases/hf", hf);
    case_path("09b-gguf-llama-mlp-o-biases/probe.txt", text);
    snprintf(script, sizeof script,
             "calibrate text='%s' length=64 windows=1; method rtn bits=4;"
             "solve all; perplexity text='%s' length=64 windows=1 which=after;"
             "export dir=%s dtype=f32",
             text, text, run_path("quantized"));
    run r = RUN("--json", "--store", run_path("store"), gguf, "-c", script);
    double after = run_number(run_result(&r, 4), "perplexity");
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = measure(run_path("quantized"), "09b-gguf-llama-mlp-o-biases/probe.txt", "");
    pl_check_close(run_number(run_last(&r), "perplexity"), after, 1e-5, 0);
    run_free(&r);
    const char *const pairs[][2] = {{gguf, hf}, {hf, gguf}};
    for (size_t i = 0; i < 2; i++) {
        snprintf(script, sizeof script, "import after='%s'", pairs[i][1]);
        r = RUN("--json", "--store", run_path("store"), pairs[i][0], "-c", script);
        assert_int_equal((int)run_number(run_last(&r), "same"), 21);
        assert_int_equal((int)run_number(run_last(&r), "others_differ"), 0);
        run_free(&r);
    }
}

static void rope_scaled_dynamically_and_by_yarn(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    char text[PL_TEST_PATH];
    char script[2 * PL_TEST_PATH];
    check_case("18-rope-dynamic", 728.998511);
    check_case("18-rope-yarn", 729.898652);

    /* A factor that is not the ratio of positions, by transformers 5.24.0. */
    char folder[PL_TEST_PATH];
    free(run_shell("cp -rL '%s' '%s' && chmod -R u+w '%s' && sed -i 's/\"rope_scaling\": null/"
                   "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0, "
                   "\"original_max_position_embeddings\": 256}/' '%s/config.json'",
                   pl_test_shared("refs/qwen2", folder), run_path("stated"), run_path("stated"),
                   run_path("stated")));
    run stated = measure(run_path("stated"), "../refs/qwen2/probe.txt", "");
    pl_check_close(run_number(run_last(&stated), "perplexity"), 694.5641, 2e-6, 0);
    run_free(&stated);

    /* transformers 4.53.3 on the first 700 tokens of the text; the model has 256 positions. */
    snprintf(script, sizeof script, "perplexity text='%s' length=700 windows=1",
             pl_test_shared("data/wikitext2-valid.txt", text));
    run r = RUN("--json", case_path("18-rope-dynamic", model), "-c", script);
    pl_check_close(run_number(run_last(&r), "perplexity"), 764.496667, 2e-6, 0);
    run_free(&r);
    r = RUN("--json", case_path("18-rope-dynamic", model), "-c",
            "perplexity text=none length=1025");
    run_check_failed(&r, 1, "length=1025 is over the model's limit of 1024 positions");
    run_free(&r);
}

/* Two checkpoints in one folder: what transformers reads, and a word about it. */
static void two_checkpoints_in_one_folder(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    check_case("05b-stale-single-file", 752.281114);
    run r = RUN("--json", case_path("05b-stale-single-file", model), "-c", "info");
    assert_non_null(strstr(r.err, "model.safetensors was read, as transformers does"));
    const json_t *files = json_object_get(run_last(&r), "files");
    assert_int_equal(json_array_size(files), 1);
    assert_string_equal(json_string_value(json_array_get(files, 0)), "model.safetensors");
    run_free(&r);

    /* The index of the other one is not written beside what is exported. */
    char text[PL_TEST_PATH];
    char script[4 * PL_TEST_PATH];
    case_path("05b-stale-single-file/probe.txt", text);
    snprintf(script, sizeof script,
             "calibrate text='%s' length=64 windows=1; method rtn bits=4; solve 0.q_proj;"
             "export dir=%s partial=yes",
             text, run_path("single"));
    r = RUN("--json", "--store", run_path("store"), model, "-c", script);
    assert_int_equal(r.status, 0);
    assert_int_equal(access(run_path("single/model.safetensors"), F_OK), 0);
    assert_int_equal(access(run_path("single/model.safetensors.index.json"), F_OK), -1);
    run_free(&r);
}

static void one_file_of_several_stands_for_all(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    static const struct {
        const char *name, *probe;
        double perplexity;
        size_t files;
    } cases[] = {
        {"05c-one-shard-of-several/model-00001-of-00014.safetensors",
         "05c-one-shard-of-several/probe.txt", 728.998511, 14},
        {"05c-one-shard-of-several/model-00013-of-00014.safetensors",
         "05c-one-shard-of-several/probe.txt", 728.998511, 14},
        {"04-gguf-split/tiny-00001-of-00003.gguf", "09-llama-biases/probe.txt", 755.175, 3},
        {"04-gguf-split/tiny-00002-of-00003.gguf", "09-llama-biases/probe.txt", 755.175, 3},
        {"04-gguf-split/tiny-00003-of-00003.gguf", "09-llama-biases/probe.txt", 755.175, 3},
        {"04-gguf-split/whole.gguf", "09-llama-biases/probe.txt", 755.175, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run r = measure(case_path(cases[i].name, model), cases[i].probe, "info;");
        const json_t *files = json_object_get(run_result(&r, 1), "files");
        assert_int_equal(json_array_size(files), cases[i].files);
        pl_check_close(run_number(run_last(&r), "perplexity"), cases[i].perplexity, 2e-6, 0);
        run_free(&r);
    }
}

static void copy_part(const char *name, const char *folder)
{
    char from[PL_TEST_PATH], file[128], to[2 * PL_TEST_PATH];
    size_t size = 0;
    pl_error err = {0};
    snprintf(file, sizeof file, "04-gguf-split/%s", name);
    char *bytes = run_read(case_path(file, from), &size);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    pl_check_ok(pl_file_write_all(to, bytes, size, &err), err);
    free(bytes);
}

/* A folder of the parts of one GGUF is that model; without one of them it says which. */
static void a_folder_of_the_parts_of_a_gguf(void **ctx)
{
    (void)ctx;
    const char *folder = run_path("parts");
    assert_int_equal(mkdir(folder, 0700), 0);
    copy_part("tiny-00001-of-00003.gguf", folder);
    copy_part("tiny-00003-of-00003.gguf", folder);
    run r = RUN("--json", folder, "-c", "info");
    run_check_failed(&r, 1, "part 2 of 3, tiny-00002-of-00003.gguf, is not in the folder");
    run_free(&r);
    copy_part("tiny-00002-of-00003.gguf", folder);
    r = measure(folder, "09-llama-biases/probe.txt", "");
    pl_check_close(run_number(run_last(&r), "perplexity"), 755.175, 2e-6, 0);
    run_free(&r);
}

static void an_index_may_list_what_nobody_needs(void **ctx)
{
    (void)ctx;
    check_case("05e-index-names-absent-tensor", 728.998511);
}

/* The text model inside one with a vision tower, whose tensors are told as read by nothing. */
static void names_inside_a_vision_model(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    check_case("23b-gemma3-vl-new-names", 1054.823089);
    run r = RUN("--json", case_path("23b-gemma3-vl-new-names", model), "-c", "info");
    assert_non_null(strstr(r.err, "34 tensors of 23b-gemma3-vl-new-names are read by nothing: "
                                  "model.multi_modal_projector.mm_input_projection_weight, "));
    size_t i, all = 0;
    json_t *row;
    json_array_foreach(json_object_get(run_last(&r), "unread"), i, row)
    {
        all += (size_t)run_number(row, "tensors");
        const char *kind = json_string_value(json_object_get(row, "unread"));
        assert_true(strstr(kind, "vision_tower") != NULL || strstr(kind, "projector") != NULL);
    }
    assert_int_equal(all, 34);
    run_free(&r);
}

static void a_file_is_known_by_its_first_bytes(void **ctx)
{
    (void)ctx;
    check_case("27-gguf-blob-without-ending/sha256-843d506c69eed7ece9a1584965be8842", 755.175);
    check_case("27-gguf-blob-without-ending/sha256:843d506c69eed7ec", 755.175);
}

static void what_is_no_model_is_named(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    static const char *const cases[][2] = {
        {"26-mlx-4bit", "packed MLX integers; open the model it was quantized from"},
        {"29-gguf-lora-adapter/adapter.gguf",
         "a LoRA adapter, which changes another model and is none itself; merge it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run r = RUN("--json", case_path(cases[i][0], model), "-c", "info");
        run_check_failed(&r, 1, cases[i][1]);
        run_free(&r);
    }
}

/* What Python reads: the last of two equal keys, and constants where no number is wanted. */
static void a_config_is_read_as_python_reads_it(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    char text[PL_TEST_PATH];
    char script[4 * PL_TEST_PATH];
    check_case("24a-config-duplicate-key", 728.998511);
    check_case("24c-config-infinity", 728.998511);
    case_path("24c-config-infinity", model);
    case_path("24c-config-infinity/probe.txt", text);
    snprintf(script, sizeof script,
             "calibrate text='%s' length=64 windows=1; method rtn bits=4; solve all;"
             "export dir=%s dtype=bf16",
             text, run_path("constants"));
    run r = RUN("--json", "--store", run_path("store"), model, "-c", script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    size_t size = 0;
    char *config = run_read(run_path("constants/config.json"), &size);
    assert_non_null(strstr(config, ": Infinity"));
    free(config);
}

/* One NaN: the other layers are listed, the bad one is named, and nothing computes with it. */
static void one_bad_weight_hides_no_other(void **ctx)
{
    (void)ctx;
    static const char said[] = "tensor 'model.layers.1.mlp.up_proj.weight' holds NaN at element "
                               "1665 (row 17, column 33)";
    char model[PL_TEST_PATH];
    run r = RUN("--json", case_path("11a-one-nan-weight", model), "-c", "layers");
    assert_non_null(strstr(r.err, said));
    const json_t *layers = json_object_get(run_last(&r), "layers");
    size_t i;
    json_t *row;
    assert_int_equal(json_array_size(layers), 21);
    json_array_foreach(layers, i, row)
    {
        bool bad = strcmp(json_string_value(json_object_get(row, "name")),
                          "model.layers.1.mlp.up_proj") == 0;
        assert_int_equal(bad, json_is_null(json_object_get(row, "weight_max")));
        assert_int_equal(bad, json_is_null(json_object_get(row, "weight_ratio")));
    }
    run_free(&r);
    r = measure(model, "11a-one-nan-weight/probe.txt", "");
    run_check_failed(&r, 1, said);
    run_free(&r);
}

/* Where nothing can be written everything computes, keeps nothing, and says so once.  A folder
 * below a file stands for one without permission, which the superuser would not notice. */
static void without_a_writable_home_it_computes(void **ctx)
{
    (void)ctx;
    char model[PL_TEST_PATH];
    char text[PL_TEST_PATH];
    char script[4 * PL_TEST_PATH];
    char store[600];
    double perplexity[2] = {0};
    case_path("28-read-only-home/README", text);
    pl_test_shared("refs/llama2", model);
    pl_test_shared("refs/llama2/probe.txt", text);
    run_write(run_path("no-folder"), "");
    snprintf(script, sizeof script,
             "calibrate text='%s' length=64 windows=1; method gptq; solve all; solve 0.q_proj;"
             "perplexity text='%s' length=64 windows=1 which=after",
             text, text);
    for (int kept = 0; kept < 2; kept++) {
        snprintf(store, sizeof store, "%s/store", run_path(kept ? "kept" : "no-folder"));
        run r = RUN("--json", "--store", store, model, "-c", script);
        perplexity[kept] = run_number(run_last(&r), "perplexity");
        static const char said[] = "what is computed stays in memory until planish ends";
        const char *first = strstr(r.err, said);
        assert_int_equal(kept, first == NULL);
        assert_true(first == NULL || strstr(first + strlen(said), said) == NULL);
        run_free(&r);
    }
    pl_check_close(perplexity[0], perplexity[1], 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(biases_behind_every_projection),
        cmocka_unit_test(biases_are_exported_and_imported),
        cmocka_unit_test(rope_scaled_dynamically_and_by_yarn),
        cmocka_unit_test(two_checkpoints_in_one_folder),
        cmocka_unit_test(one_file_of_several_stands_for_all),
        cmocka_unit_test(a_folder_of_the_parts_of_a_gguf),
        cmocka_unit_test(an_index_may_list_what_nobody_needs),
        cmocka_unit_test(names_inside_a_vision_model),
        cmocka_unit_test(a_file_is_known_by_its_first_bytes),
        cmocka_unit_test(what_is_no_model_is_named),
        cmocka_unit_test(a_config_is_read_as_python_reads_it),
        cmocka_unit_test(one_bad_weight_hides_no_other),
        cmocka_unit_test(without_a_writable_home_it_computes),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
