/* Rotations of a whole model: written folded, a model of any architecture that they go through
 * computes what it did before; a quantized cache and inputs are rounded in the rotated coordinates;
 * and what no rotation goes through is refused. */
#include "core/lab/export.h"
#include "core/lab/quantized.h"
#include "core/metrics/perplexity.h"
#include "core/tensor/hadamard.h"
#include "tests/support/demo_lab.h"
#include "tests/support/formula_cases.h"

#include <math.h>

enum { TEXT = 200 };

static json_t *values;

typedef struct fixture {
    pl_temp temp, store;
    char path[600], out[600];
    pl_lab *lab;
    pl_state state;
} fixture;

static void open_model(fixture *f)
{
    pl_error err;
    pl_model *model = NULL;
    pl_source *source = NULL;
    pl_check_ok(pl_model_open(f->path, &model, &err), err);
    pl_check_ok(pl_source_create(model, f->path, NULL, &source, &err), err);
    pl_state_init(&f->state);
    pl_check_ok(pl_state_set_source(&f->state, source, &err), err);
    pl_source_release(source);
    pl_lab_options options = {.store = f->store.folder};
    pl_check_ok(pl_lab_create(&options, &f->lab, &err), err);
}

static void open_fixture(fixture *f, const char *name, bool gguf)
{
    const json_t *about = formula_case(values, name);
    memset(f, 0, sizeof *f);
    pl_temp_init(&f->temp);
    pl_temp_init(&f->store);
    snprintf(f->out, sizeof f->out, "%s/out", f->temp.folder);
    snprintf(f->path, sizeof f->path, gguf ? "%s/model.gguf" : "%s", f->temp.folder);
    if (gguf) {
        formula_write_gguf(about, &f->temp);
    } else {
        formula_write_hf(about, &f->temp);
        formula_write_tokenizer(&f->temp);
    }
    open_model(f);
}

static void close_fixture(fixture *f)
{
    pl_state_deinit(&f->state);
    pl_lab_destroy(f->lab);
    pl_temp_deinit(&f->store);
    pl_temp_deinit(&f->temp);
}

static pl_status solve_all(fixture *f, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(f->state.source->model); i++) {
        pl_solve_report report;
        pl_id result = {0};
        status = pl_solve_layer((pl_context){f->lab, &f->state, NULL}, i, &report, &result, err);
        PL_THEN(pl_state_set_result(&f->state, i, pl_state_plan(&f->state, i), result, err));
    }
    return status;
}

static double measure(const char *path)
{
    pl_error err;
    int32_t ids[TEXT];
    pl_model *model = NULL;
    pl_ppl_spec spec = {.length = 100, .windows = 1};
    pl_ppl_result found = {0};
    formula_ids(FORMULA_VOCAB, ids, TEXT);
    pl_check_ok(pl_model_open(path, &model, &err), err);
    pl_check_ok(pl_perplexity(model, ids, TEXT, &spec, NULL, false, &found, NULL, &err), err);
    pl_model_close(model);
    return found.perplexity;
}

static pl_status export_folded(fixture *f, bool gguf, pl_error *err)
{
    pl_export_report report;
    pl_export_spec spec = {
        .folder = f->out, .which = PL_WHICH_AFTER, .dtype = PL_F32, .gguf = gguf, .fold = true};
    return pl_export((pl_context){f->lab, &f->state, NULL}, &spec, &report, err);
}

/* The files hold other numbers than before, and the same function. */
static void folded_models_compute_the_same(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name;
        bool gguf;
    } cases[] = {{"llama_biases", false}, {"llama_biases", true},
                 {"mistral", false},      {"qwen2_window", false},
                 {"qwen3", true},         {"qwen3_window", false},
                 {"qwen3_biases", false}, {"phi3", false},
                 {"phi3", true},          {"mixtral", false},
                 {"mixtral", true},       {"qwen2_moe", false},
                 {"qwen2_moe", true},     {"qwen2_moe_mixed", false},
                 {"qwen3_moe", true},     {"gpt_oss", false},
                 {"gpt_oss", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        pl_error err;
        pl_model *written = NULL;
        print_message("  %s\n", cases[i].name);
        open_fixture(&f, cases[i].name, cases[i].gguf);
        demo_method(&f.state, "quarot seed=3 online=no");
        pl_check_ok(solve_all(&f, &err), err);
        pl_check_ok(export_folded(&f, false, &err), err);
        pl_check_close(measure(f.out), measure(f.path), 1e-5, 0);
        pl_check_ok(pl_model_open(f.out, &written, &err), err);
        assert_false(pl_model_config(written)->tied_embeddings);
        const pl_layer *layer = pl_model_layer(written, 0);
        const size_t count = layer->rows * layer->cols;
        float *before = malloc(count * sizeof *before), *after = malloc(count * sizeof *after);
        assert_true(before != NULL && after != NULL);
        pl_check_ok(pl_model_read_weight(f.state.source->model, 0, before, &err), err);
        pl_check_ok(pl_model_read_weight(written, 0, after, &err), err);
        double moved = 0.0, size = 0.0;
        for (size_t k = 0; k < count; k++) {
            moved += fabs((double)before[k] - (double)after[k]);
            size += fabs((double)before[k]);
        }
        expect_less(0.5 * size, moved);
        free(before);
        free(after);
        pl_model_close(written);
        close_fixture(&f);
    }
}

/* The same as a GGUF, of either source: rows permuted, a head of its own, experts stacked. */
static void folded_ggufs_compute_the_same(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {"llama_biases", "qwen3",     "phi3",
                                        "mixtral",      "qwen2_moe", "gpt_oss"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        fixture f;
        pl_error err;
        pl_model *written = NULL;
        char path[700];
        print_message("  %s of %s\n", names[i / 2], i % 2 > 0 ? "a GGUF" : "a folder");
        open_fixture(&f, names[i / 2], i % 2 > 0);
        demo_method(&f.state, "quarot seed=3 online=no");
        pl_check_ok(solve_all(&f, &err), err);
        pl_check_ok(export_folded(&f, true, &err), err);
        snprintf(path, sizeof path, "%s/model.gguf", f.out);
        pl_check_close(measure(path), measure(f.path), 1e-5, 0);
        pl_check_ok(pl_model_open(path, &written, &err), err);
        const pl_checkpoint *file = pl_model_checkpoint(written);
        assert_non_null(pl_checkpoint_find(file, "output.weight"));
        assert_false(pl_model_config(written)->tied_embeddings);
        pl_model_close(written);
        close_fixture(&f);
    }
}

/* Embedding and lm_head are turned differently: a tied checkpoint gets a head of its own, also in
 * its index of shards, and its config says so. */
static void a_tied_head_is_in_the_index(void **ctx)
{
    (void)ctx;
    fixture f;
    pl_error err;
    pl_model *written = NULL;
    const char *name;
    json_t *shape;
    const json_t *about = formula_case(values, "qwen3_window");
    json_t *map = json_object(), *index = NULL;
    open_fixture(&f, "qwen3_window", false);
    json_object_foreach(json_object_get(about, "tensors"), name, shape)
    {
        assert_int_equal(json_object_set_new(map, name, json_string("part-1.safetensors")), 0);
    }
    index = json_pack("{s:{s:i}, s:o}", "metadata", "total_size", 1, "weight_map", map);
    char *text = json_dumps(index, 0);
    char from[700], to[700];
    snprintf(from, sizeof from, "%s/model.safetensors", f.temp.folder);
    snprintf(to, sizeof to, "%s/part-1.safetensors", f.temp.folder);
    assert_int_equal(rename(from, to), 0);
    pl_temp_write(&f.temp, "model.safetensors.index.json", text, strlen(text));
    free(text);
    json_decref(index);
    pl_state_deinit(&f.state);
    pl_lab_destroy(f.lab);
    open_model(&f);
    demo_method(&f.state, "quarot online=no");
    pl_check_ok(solve_all(&f, &err), err);
    pl_check_ok(export_folded(&f, false, &err), err);
    pl_check_close(measure(f.out), measure(f.path), 1e-5, 0);
    pl_check_ok(pl_model_open(f.out, &written, &err), err);
    assert_false(pl_model_config(written)->tied_embeddings);
    assert_non_null(pl_checkpoint_find(pl_model_checkpoint(written), "lm_head.weight"));
    pl_model_close(written);
    snprintf(from, sizeof from, "%s/model.safetensors.index.json", f.out);
    index = json_load_file(from, 0, NULL);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(index, "weight_map"), "lm_head.weight")),
        "part-1.safetensors");
    expect_less(
        1, json_integer_value(json_object_get(json_object_get(index, "metadata"), "total_size")));
    json_decref(index);
    close_fixture(&f);
}

/* What a rounder made lies on its grid in the files, which turning to and fro would leave: 3 bits
 * of one group a row are at most 7 values, each a small whole number times the largest over 3. */
static void folded_weights_are_on_the_grid(void **ctx)
{
    (void)ctx;
    fixture f;
    pl_error err;
    pl_model *written = NULL;
    open_fixture(&f, "llama_biases", false);
    demo_method(&f.state, "quarot online=no");
    demo_method(&f.state, "rtn bits=3 group_size=0 scale_dtype=f32");
    pl_check_ok(solve_all(&f, &err), err);
    pl_check_ok(export_folded(&f, false, &err), err);
    pl_check_ok(pl_model_open(f.out, &written, &err), err);
    for (size_t i = 0; i < pl_model_layer_count(written); i++) {
        const pl_layer *layer = pl_model_layer(written, i);
        float *w = malloc(layer->rows * layer->cols * sizeof *w);
        assert_non_null(w);
        pl_check_ok(pl_model_read_weight(written, i, w, &err), err);
        for (size_t r = 0; r < layer->rows; r++) {
            double most = 0.0;
            for (size_t c = 0; c < layer->cols; c++) {
                most = fmax(most, fabs((double)w[r * layer->cols + c]));
            }
            for (size_t c = 0; c < layer->cols; c++) {
                const double code = (double)w[r * layer->cols + c] / most * 3.0;
                pl_check_close(code, rint(code), 0, 1e-5);
            }
        }
        free(w);
    }
    pl_model_close(written);
    close_fixture(&f);
}

static void what_cannot_be_folded_is_refused(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *transform, *says;
    } bad[] = {{"quarot", "online=no"}, {"hadamard", "one rotation of the whole model"}};
    fixture f;
    pl_error err;
    open_fixture(&f, "llama_biases", false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        demo_method(&f.state, bad[i].transform);
        pl_check_ok(solve_all(&f, &err), err);
        assert_int_equal(export_folded(&f, false, &err), PL_ERR_STATE);
        pl_check_says(err, bad[i].says);
    }
    demo_method(&f.state, "quarot seed=9 online=no");
    assert_int_equal(export_folded(&f, false, &err), PL_ERR_STATE);
    pl_check_says(err, "is not solved");
    close_fixture(&f);
}

static void other_norms_are_refused(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {"olmo2", "gemma2", "gemma3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fixture f;
        pl_error err;
        open_fixture(&f, names[i], false);
        demo_method(&f.state, "quarot");
        assert_int_equal(solve_all(&f, &err), PL_ERR_UNSUPPORTED);
        pl_check_says(err, "quarot");
        pl_check_says(err, "norms");
        close_fixture(&f);
    }
}

/* x[rows, heads * head] in 8 bits a head, turned by the orthonormal Hadamard matrix of a head's
 * largest order and signs: in float64. */
static void round_turned(const float *x, size_t rows, size_t head, const float *signs, double *out)
{
    pl_error err;
    pl_hadamard *h = NULL;
    pl_check_ok(pl_hadamard_create(head, &h, &err), err);
    float *y = malloc(head * sizeof *y);
    assert_non_null(y);
    for (size_t r = 0; r < rows; r++) {
        double most = 0.0;
        for (size_t c = 0; c < head; c++) {
            y[c] = x[r * head + c] * (signs != NULL ? signs[c] : 1.0f);
        }
        pl_hadamard_rows(h, y, 1, head);
        for (size_t c = 0; c < head; c++) {
            most = fmax(most, fabs((double)y[c]));
        }
        for (size_t c = 0; c < head; c++) {
            y[c] = (float)(rint((double)y[c] / (most / 7.0)) * (most / 7.0));
        }
        pl_hadamard_rows_transposed(h, y, 1, head);
        for (size_t c = 0; c < head; c++) {
            out[r * head + c] = (double)y[c] * (double)(signs != NULL ? signs[c] : 1.0f);
        }
    }
    free(y);
    pl_hadamard_destroy(h);
}

/* Keys in the coordinates of R3; values in those of v_proj's outputs, whose signs the transform of
 * the block's q, k and v shows on a unit vector. */
static void the_cache_is_rounded_turned(void **ctx)
{
    (void)ctx;
    enum { ROWS = 3, HEAD = 24, KV = 48 };
    demo_lab d;
    pl_error err;
    pl_quantized q;
    pl_hooks hooks;
    float x[ROWS * KV], key[ROWS * KV], value[ROWS * KV], signs[HEAD];
    double want[ROWS * KV];
    demo_lab_init(&d);
    demo_method(&d.state, "quarot");
    d.state.kv = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    for (size_t i = 0; i < ROWS * KV; i++) {
        x[i] = (float)((i * 2654435761u) % 2003) / 1000.0f - 1.0f + (i % HEAD == 5 ? 8.0f : 0.0f);
    }
    memcpy(key, x, sizeof x);
    memcpy(value, x, sizeof x);
    pl_check_ok(pl_quantized_init(&q, demo_context(&d), PL_WHICH_AFTER, &hooks, &err), err);
    pl_check_ok(hooks.key(hooks.ctx, 1, key, ROWS, KV, &err), err);
    pl_check_ok(hooks.value(hooks.ctx, 1, value, ROWS, KV, &err), err);
    round_turned(x, ROWS * KV / HEAD, HEAD, NULL, want);
    for (size_t i = 0; i < ROWS * KV; i++) {
        pl_check_close(key[i], want[i], 1e-4, 1e-4);
    }
    pl_quantized_deinit(&q);

    pl_id calibration, id;
    pl_transform *t = NULL;
    const pl_spec *spec = &d.state.slots[PL_SLOT_TRANSFORM];
    float unit[KV];
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    pl_check_ok(pl_site_transform(demo_context(&d), calibration, DEMO_Q1, spec, &t, &id, &err),
                err);
    const pl_transform *outputs = pl_layer_outputs(&d.state, DEMO_Q1 + PL_ROLE_V, t);
    assert_non_null(outputs);
    assert_null(pl_layer_outputs(&d.state, DEMO_Q1, t));
    int minus = 0;
    for (size_t c = 0; c < HEAD; c++) {
        /* H's first column of each block of 12 x 2 is positive. */
        memset(unit, 0, sizeof unit);
        unit[c] = 1.0f;
        pl_check_ok(pl_transform_inputs(outputs, unit, 1, NULL, &err), err);
        pl_hadamard *h = NULL;
        float plain[HEAD] = {0};
        plain[c] = 1.0f;
        pl_check_ok(pl_hadamard_create(HEAD, &h, &err), err);
        pl_hadamard_rows(h, plain, 1, HEAD);
        pl_hadamard_destroy(h);
        signs[c] = unit[c] * plain[c] > 0.0f ? 1.0f : -1.0f;
        minus += signs[c] < 0.0f;
    }
    expect_less(0, minus);
    expect_less(minus, HEAD);
    round_turned(x, ROWS * KV / HEAD, HEAD, signs, want);
    for (size_t i = 0; i < ROWS * KV; i++) {
        pl_check_close(value[i], want[i], 1e-4, 1e-4);
    }
    pl_transform_destroy(t);
    demo_lab_deinit(&d);
}

/* A model as QuaRot deploys its heads: v's rows and o's columns hold R2, and a Hadamard matrix
 * turns the heads into one another in front of o, by loops of this test. */
typedef struct deployed {
    const pl_model *model;
    pl_transform *qkv[4], *o[4]; /* by block */
    float *h;                    /* [heads, heads] */
    size_t heads, head;
} deployed;

static pl_status deployed_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    deployed *d = ctx;
    const pl_layer *info = pl_model_layer(d->model, layer);
    *provided = info->role == PL_ROLE_V || info->role == PL_ROLE_O;
    if (!*provided) {
        return PL_OK;
    }
    pl_status status = pl_model_read_weight((pl_model *)(uintptr_t)d->model, layer, out, err);
    PL_THEN(info->role == PL_ROLE_V
                ? pl_transform_outputs_weights(d->qkv[info->block], 2, out, info->rows, info->cols,
                                               NULL, err)
                : pl_transform_weights(d->o[info->block], out, info->rows, NULL, err));
    return status;
}

static pl_status deployed_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                                size_t cols, pl_error *err)
{
    deployed *d = ctx;
    (void)window;
    (void)err;
    if (pl_model_site(d->model, site)->role != PL_SITE_O) {
        return PL_OK;
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < d->head; c++) {
            double turned[16] = {0};
            for (size_t i = 0; i < d->heads * d->heads; i++) {
                turned[i % d->heads] +=
                    (double)x[r * cols + i / d->heads * d->head + c] * (double)d->h[i];
            }
            for (size_t i = 0; i < d->heads; i++) {
                x[r * cols + i * d->head + c] = (float)turned[i];
            }
        }
    }
    return PL_OK;
}

static void check_deployed(pl_lab *lab, pl_state *state)
{
    pl_error err;
    pl_model *model = state->source->model;
    const pl_config *config = pl_model_config(model);
    deployed d = {.model = model, .heads = config->heads, .head = config->head_dim};
    const pl_spec spec = demo_spec("quarot seed=5");
    pl_hadamard *h = NULL;
    int32_t ids[TEXT];
    pl_ppl_result before = {0}, after = {0};
    const pl_ppl_spec protocol = {.length = 100, .windows = 1};
    const pl_hooks hooks = {.ctx = &d, .weight = deployed_weight, .input = deployed_input};
    expect_at_most(config->blocks, 4);
    expect_less(config->kv_heads, config->heads);
    d.h = calloc(d.heads * d.heads, sizeof *d.h);
    assert_non_null(d.h);
    for (size_t i = 0; i < d.heads; i++) {
        d.h[i * d.heads + i] = 1.0f;
    }
    pl_check_ok(pl_hadamard_create(d.heads, &h, &err), err);
    pl_hadamard_rows(h, d.h, d.heads, d.heads);
    pl_hadamard_destroy(h);
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *info = pl_model_layer(model, i);
        pl_transform **t = info->role == PL_ROLE_V   ? &d.qkv[info->block]
                           : info->role == PL_ROLE_O ? &d.o[info->block]
                                                     : NULL;
        pl_id id;
        if (t != NULL) {
            pl_check_ok(pl_site_transform((pl_context){lab, state, NULL}, (pl_id){0}, i, &spec, t,
                                          &id, &err),
                        err);
        }
    }
    assert_true(pl_transform_get_cost(d.o[0]).online);
    formula_ids(FORMULA_VOCAB, ids, TEXT);
    pl_check_ok(pl_perplexity(model, ids, TEXT, &protocol, NULL, false, &before, NULL, &err), err);
    pl_check_ok(pl_perplexity(model, ids, TEXT, &protocol, &hooks, false, &after, NULL, &err), err);
    pl_check_close(after.perplexity, before.perplexity, 1e-5, 0);
    for (size_t i = 0; i < 4; i++) {
        pl_transform_destroy(d.qkv[i]);
        pl_transform_destroy(d.o[i]);
    }
    free(d.h);
}

static void heads_deployed_compute_the_same(void **ctx)
{
    (void)ctx;
    static const char *const cases[] = {"mistral", "qwen3"}; /* without a bias of v */
    for (size_t i = 0; i < 2; i++) {
        fixture f;
        open_fixture(&f, cases[i], i == 1);
        check_deployed(f.lab, &f.state);
        close_fixture(&f);
    }
    demo_lab d;
    demo_lab_init(&d);
    check_deployed(d.lab, &d.state);
    demo_lab_deinit(&d);
}

/* Another seed has other signs, and another norm other weights: neither finds the other's. */
static void keys_tell_seeds_apart(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_id keys[4];
    static const char *const specs[] = {"quarot", "quarot seed=1", "quarot online=no",
                                        "quarot heads=no"};
    demo_lab_init(&d);
    for (size_t i = 0; i < 4; i++) {
        const pl_spec spec = demo_spec(specs[i]);
        pl_check_ok(
            pl_site_transform_key(demo_context(&d), (pl_id){0}, DEMO_Q1, &spec, &keys[i], &err),
            err);
    }
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_false(pl_id_equal(keys[i], keys[j]));
        }
    }
    demo_lab_deinit(&d);
}

int main(void)
{
    values = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folded_models_compute_the_same),
        cmocka_unit_test(folded_ggufs_compute_the_same),
        cmocka_unit_test(a_tied_head_is_in_the_index),
        cmocka_unit_test(folded_weights_are_on_the_grid),
        cmocka_unit_test(what_cannot_be_folded_is_refused),
        cmocka_unit_test(other_norms_are_refused),
        cmocka_unit_test(the_cache_is_rounded_turned),
        cmocka_unit_test(heads_deployed_compute_the_same),
        cmocka_unit_test(keys_tell_seeds_apart),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
