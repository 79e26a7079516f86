#include "core/model/model.h"
#include "tests/unit/model/tiny.h"
#include "tests/support/own_folder.h"

#include <sys/stat.h>

static tiny weights;

static int set_up_weights(void **state)
{
    tiny_make(&weights);
    return set_up(state);
}

static void opens_and_lists_layers_and_sites(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    tiny_write_hf(&weights, temp, NULL);
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    assert_int_equal(pl_model_layer_count(model), 7 * TINY_BLOCKS);
    assert_int_equal(pl_model_site_count(model), 4 * TINY_BLOCKS);
    const pl_layer *layer = pl_model_layer(model, 8);
    assert_string_equal(layer->name, "model.layers.1.self_attn.k_proj");
    assert_int_equal(layer->rows, TINY_KV * TINY_DIM);
    assert_int_equal(layer->cols, TINY_HIDDEN);
    assert_int_equal(layer->block, 1);
    assert_int_equal(layer->role, PL_ROLE_K);
    assert_int_equal(layer->unpermute_heads, 0);
    const pl_site *site = pl_model_site(model, layer->site);
    assert_string_equal(site->name, "model.layers.1.qkv");
    assert_int_equal(site->n_layers, 3);
    assert_int_equal(site->layers[1], 8);
    assert_int_equal(site->cols, TINY_HIDDEN);
    uint64_t elements = 0;
    for (size_t i = 0; i < weights.count; i++) {
        elements += weights.tensors[i].count;
    }
    assert_int_equal(pl_model_parameters(model), elements);
    assert_string_equal(pl_model_name(model), strrchr(temp->folder, '/') + 1);
    pl_model_close(model);
}

static void finds_layers_by_what_people_type(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    static const struct {
        const char *name;
        size_t index;
    } good[] = {
        {"model.layers.1.self_attn.q_proj", 7},
        {"model.layers.1.self_attn.q_proj.weight", 7},
        {"1.q_proj", 7},
        {"1.self_attn.q_proj", 7},
        {"layers.1.q_proj", 7},
        {"blk.1.attn_q", 7},
        {"blk.1.attn_q.weight", 7},
        {"1.q", 7},
        {"0.down", 6},
        {"0.down_proj", 6},
        {"blk.0.ffn_down", 6},
        {"1.attn_output", 10},
        {"1.mlp.gate_proj", 11},
    };
    tiny_write_hf(&weights, temp, NULL);
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        size_t index = SIZE_MAX;
        pl_check_ok(pl_model_find_layer(model, good[i].name, &index, &err), err);
        assert_int_equal(index, good[i].index);
    }
    static const char *const globs[] = {"model.layers.1.self_attn.q_proj",
                                        "*.q_proj",
                                        "*q_proj",
                                        "1.*",
                                        "1.q_proj",
                                        "1.self_attn.?_proj",
                                        "blk.1.attn_q",
                                        "blk.*"};
    for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++) {
        assert_true(pl_model_layer_matches(model, 7, globs[i]));
    }
    static const char *const others[] = {"*k*", "0.*", "q_proj", "blk.1.ffn*", "", "*.weight"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(pl_model_layer_matches(model, 7, others[i]));
    }
    size_t index = 0;
    assert_int_equal(pl_model_find_layer(model, "q_proj", &index, &err), PL_ERR_USAGE);
    pl_check_says(err, "0.q_proj");
    assert_int_equal(pl_model_find_layer(model, "2.q_proj", &index, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "blocks are 0 to 1");
    assert_int_equal(pl_model_find_layer(model, "1.dwn_proj", &index, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "model.layers.1.mlp.down_proj");
    static const char *const bad[] = {"", ".", "1", "1.", "1.1.q", "999999999999.q_proj", "1.q.2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pl_model_find_layer(model, bad[i], &index, &err), PL_ERR_NOT_FOUND);
    }
    pl_model_close(model);
}

static void gguf_rows_come_in_hugging_faces_order(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    static float w[TINY_LARGEST];
    tiny_write_gguf(&weights, temp, "llama", NULL);
    pl_check_ok(pl_model_open(pl_temp_path(temp, "model.gguf"), &model, &err), err);
    assert_int_equal(pl_model_layer(model, 0)->unpermute_heads, TINY_HEADS);
    assert_int_equal(pl_model_layer(model, 1)->unpermute_heads, TINY_KV);
    assert_int_equal(pl_model_layer(model, 2)->unpermute_heads, 0);
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        char name[80];
        snprintf(name, sizeof name, "%s.weight", pl_model_layer(model, i)->name);
        const tiny_tensor *expected = tiny_find(&weights, name);
        pl_check_ok(pl_model_read_weight(model, i, w, &err), err);
        assert_memory_equal(w, expected->values, expected->count * sizeof w[0]);
    }
    pl_model_close(model);
}

static void missing_and_misshapen_tensors_are_named(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    tiny bad = weights;
    tiny_tensor *up = tiny_find(&bad, "model.layers.1.mlp.up_proj.weight");
    up->dims[0] = TINY_HIDDEN;
    up->dims[1] = TINY_INNER;
    tiny_write_hf(&bad, temp, NULL);
    assert_int_equal(pl_model_open(temp->folder, &model, &err), PL_ERR_FORMAT);
    assert_null(model);
    pl_check_says(err,
                  "model.layers.1.mlp.up_proj.weight has the shape [24, 40], expected [40, 24]");
    bad = weights;
    snprintf(tiny_find(&bad, "model.norm.weight")->hf, 80, "another");
    tiny_write_hf(&bad, temp, NULL);
    assert_int_equal(pl_model_open(temp->folder, &model, &err), PL_ERR_FORMAT);
    pl_check_says(err, "the tensor model.norm.weight, of shape [24], is missing");
    tiny_write_hf(&weights, temp, "\"model_type\": \"qwen2\", ");
    assert_int_equal(pl_model_open(temp->folder, &model, &err), PL_ERR_FORMAT);
    pl_check_says(err, "model.layers.0.self_attn.q_proj.bias");
}

static void a_model_without_tokenizer_opens(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    const pl_tokenizer *tokenizer = NULL;
    tiny_write_hf(&weights, temp, NULL);
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(pl_model_need_tokenizer(model, &tokenizer, &err), PL_ERR_NOT_FOUND);
        pl_check_says(err, "no tokenizer: expected a tokenizer.json");
        assert_null(pl_model_tokenizer(model));
    }
    pl_model_close(model);
}

static void refused_architectures_name_those_that_work(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    tiny_write_gguf(&weights, temp, "gem\033ma", NULL);
    assert_int_equal(pl_model_open(pl_temp_path(temp, "model.gguf"), &model, &err),
                     PL_ERR_UNSUPPORTED);
    pl_check_says(err, "gem\\x1bma");
    pl_check_says(err, "supported: llama, mistral, qwen2, qwen3, phi3, olmo2, gemma2");
}

static void a_folder_with_one_gguf_stands_for_it(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    pl_temp inner = *temp;
    snprintf(inner.folder, sizeof inner.folder, "%.400s/only", temp->folder);
    assert_int_equal(mkdir(inner.folder, 0700), 0);
    assert_int_equal(pl_model_open(inner.folder, &model, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "expected model.safetensors");
    tiny_write_gguf(&weights, &inner, "llama", NULL);
    pl_check_ok(pl_model_open(inner.folder, &model, &err), err);
    assert_string_equal(pl_model_name(model), "only");
    pl_model_close(model);
    pl_temp_write(&inner, "second.gguf", "x", 1);
    assert_int_equal(pl_model_open(inner.folder, &model, &err), PL_ERR_USAGE);
    pl_check_says(err, "2 models as GGUF");
}

static void an_id_is_looked_up_in_the_cache(void **state)
{
    static const char *const parts[] = {"/hub", "/hub/models--org--tiny", "/refs", "/snapshots",
                                        "/snapshots/abc123"};
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    pl_temp inner = *temp;
    char repository[600];
    char folder[700];
    snprintf(repository, sizeof repository, "%.400s%s", temp->folder, parts[1]);
    setenv("HF_HOME", temp->folder, 1);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    assert_int_equal(pl_model_open("org/tiny", &model, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "Hugging Face cache");
    for (size_t i = 0; i < 5; i++) {
        snprintf(folder, sizeof folder, "%.500s%s", i < 2 ? temp->folder : repository, parts[i]);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
    assert_int_equal(pl_model_open("org/tiny", &model, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "refs/main");
    snprintf(inner.folder, sizeof inner.folder, "%.500s/refs", repository);
    pl_temp_write(&inner, "main", "abc123\n", 7);
    snprintf(inner.folder, sizeof inner.folder, "%.490s/snapshots/abc123", repository);
    tiny_write_hf(&weights, &inner, NULL);
    pl_check_ok(pl_model_open("org/tiny", &model, &err), err);
    assert_string_equal(pl_model_name(model), "org/tiny");
    assert_string_equal(pl_model_path(model), "org/tiny");
    pl_model_close(model);
    /* The same by its commit; another revision is looked for and not found. */
    pl_check_ok(pl_model_open("org/tiny@abc123", &model, &err), err);
    assert_string_equal(pl_model_name(model), "org/tiny@abc123");
    pl_model_close(model);
    assert_int_equal(pl_model_open("org/tiny@v2", &model, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err,
                  "models--org--tiny has no snapshot of the revision v2, a name in refs or the "
                  "whole name of a commit; it has main");
    snprintf(folder, sizeof folder, "%.500s/refs/pr", repository);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(inner.folder, sizeof inner.folder, "%.500s/refs/pr", repository);
    pl_temp_write(&inner, "1", "abc123", 6);
    pl_check_ok(pl_model_open("org/tiny@pr/1", &model, &err), err);
    pl_model_close(model);
    snprintf(inner.folder, sizeof inner.folder, "%.500s/refs", repository);
    pl_temp_write(&inner, "v2", "def456", 6);
    assert_int_equal(pl_model_open("org/tiny@v2", &model, &err), PL_ERR_NOT_FOUND);
    static const char *const no_revisions[] = {"org/tiny@",        "org/tiny@../../x",
                                               "org/tiny@/abc123", "org/tiny@a b",
                                               "org/tiny@.",       "org/tiny@abc123/"};
    for (size_t i = 0; i < sizeof no_revisions / sizeof *no_revisions; i++) {
        assert_int_equal(pl_model_open(no_revisions[i], &model, &err), PL_ERR_NOT_FOUND);
        pl_check_says(err, "there is no such file or folder");
    }
    assert_int_not_equal(pl_model_open("../tiny", &model, &err), PL_OK);
    assert_int_not_equal(pl_model_open("org/../tiny", &model, &err), PL_OK);
    /* The first models have one word; one that is not there is a missing file. */
    char single[700];
    snprintf(single, sizeof single, "%.400s/hub/models--tiny", temp->folder);
    assert_int_equal(rename(repository, single), 0);
    pl_check_ok(pl_model_open("tiny@abc123", &model, &err), err);
    pl_model_close(model);
    assert_int_equal(pl_model_open("small", &model, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "there is no such file or folder");
    /* Where the cache is: the more exact variable first, ~ for the home. */
    snprintf(folder, sizeof folder, "%.400s/hub", temp->folder);
    setenv("HF_HOME", "/nowhere", 1);
    setenv("HUGGINGFACE_HUB_CACHE", folder, 1);
    pl_check_ok(pl_model_open("tiny", &model, &err), err);
    pl_model_close(model);
    setenv("HF_HUB_CACHE", "/nowhere", 1);
    assert_int_equal(pl_model_open("tiny", &model, &err), PL_ERR_NOT_FOUND);
    setenv("HF_HUB_CACHE", "~/hub", 1);
    char *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "");
    setenv("HOME", temp->folder, 1);
    pl_check_ok(pl_model_open("tiny", &model, &err), err);
    pl_model_close(model);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    unsetenv("HF_HOME");
    snprintf(folder, sizeof folder, "%.400s/huggingface", temp->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(folder, sizeof folder, "%.400s/hub", temp->folder);
    snprintf(single, sizeof single, "%.400s/huggingface/hub", temp->folder);
    assert_int_equal(rename(folder, single), 0);
    setenv("XDG_CACHE_HOME", temp->folder, 1);
    pl_check_ok(pl_model_open("tiny", &model, &err), err);
    pl_model_close(model);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", home, 1);
    free(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_and_lists_layers_and_sites, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(finds_layers_by_what_people_type, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(gguf_rows_come_in_hugging_faces_order, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(missing_and_misshapen_tensors_are_named, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_model_without_tokenizer_opens, set_up_weights, tear_down),
        cmocka_unit_test_setup_teardown(refused_architectures_name_those_that_work, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_folder_with_one_gguf_stands_for_it, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_id_is_looked_up_in_the_cache, set_up_weights, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
