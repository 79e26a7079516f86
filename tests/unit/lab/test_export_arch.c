/* Exports of architectures whose files hold more than one layer a tensor, or other numbers than
 * Hugging Face's: fused projections, stacked experts, gemma's norms. */
#include "core/lab/export.h"
#include "core/lab/pipeline.h"
#include "core/lab/weights.h"
#include "core/metrics/perplexity.h"
#include "core/model/stream.h"
#include "tests/support/formula_cases.h"

#include <unistd.h>

enum { TEXT = 200 };

static json_t *values;

typedef struct fixture {
    pl_temp temp, store;
    char out[600];
    pl_lab *lab;
    pl_state state;
} fixture;

static void open_fixture(fixture *f, const char *name, bool gguf, size_t length)
{
    pl_error err;
    pl_model *model = NULL;
    pl_source *source = NULL;
    const json_t *about = formula_case(values, name);
    memset(f, 0, sizeof *f);
    pl_temp_init(&f->temp);
    pl_temp_init(&f->store);
    snprintf(f->out, sizeof f->out, "%s/out", f->temp.folder);
    char path[600];
    if (gguf) {
        formula_write_gguf(about, &f->temp);
        snprintf(path, sizeof path, "%s/model.gguf", f->temp.folder);
    } else {
        formula_write_hf(about, &f->temp);
        formula_write_tokenizer(&f->temp);
        snprintf(path, sizeof path, "%s", f->temp.folder);
    }
    formula_write_text(&f->temp, "text.txt", TEXT);
    pl_check_ok(pl_model_open(path, &model, &err), err);
    pl_check_ok(pl_source_create(model, path, NULL, &source, &err), err);
    pl_state_init(&f->state);
    pl_check_ok(pl_state_set_source(&f->state, source, &err), err);
    pl_source_release(source);
    pl_lab_options options = {.store = f->store.folder};
    pl_check_ok(pl_lab_create(&options, &f->lab, &err), err);
    const char *text = pl_temp_path(&f->temp, "text.txt");
    pl_protocol protocol = {.length = length, .windows = 1};
    pl_check_ok(pl_calibration_set(&f->state.calibration, &text, 1, &protocol, &err), err);
    pl_check_ok(pl_lab_calibrate((pl_context){f->lab, &f->state, NULL}, &f->state.calibration.key,
                                 NULL, &err),
                err);
    f->state.calibration.known = true;
}

static void close_fixture(fixture *f)
{
    pl_state_deinit(&f->state);
    pl_lab_destroy(f->lab);
    pl_temp_deinit(&f->store);
    pl_temp_deinit(&f->temp);
}

static void solve(fixture *f, const char *name)
{
    pl_error err;
    size_t layer = 0;
    pl_solve_report report;
    pl_id result = {0};
    f->state.slots[PL_SLOT_ROUND] = pl_spec_default(pl_method_find("gptq"));
    pl_check_ok(pl_model_find_layer(f->state.source->model, name, &layer, &err), err);
    pl_check_ok(
        pl_solve_layer((pl_context){f->lab, &f->state, NULL}, layer, &report, &result, &err), err);
    pl_check_ok(
        pl_state_set_result(&f->state, layer, pl_state_plan(&f->state, layer), result, &err), err);
    expect_less(0, report.rounded_relative_error);
}

static pl_model *export_f32(fixture *f, pl_which which)
{
    pl_error err;
    pl_model *written = NULL;
    pl_export_report report;
    pl_export_spec spec = {.folder = f->out, .which = which, .dtype = PL_F32};
    pl_check_ok(pl_export((pl_context){f->lab, &f->state, NULL}, &spec, &report, &err), err);
    pl_check_ok(pl_model_open(f->out, &written, &err), err);
    return written;
}

/* The written weights are the state's; how many layers differ from the model's own. */
static size_t check_weights(fixture *f, pl_model *written, pl_which which)
{
    pl_error err;
    size_t changed = 0;
    pl_model *model = f->state.source->model;
    assert_int_equal(pl_model_layer_count(model), pl_model_layer_count(written));
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(written, i);
        size_t count = layer->rows * layer->cols;
        float *meant = malloc(count * sizeof *meant);
        float *found = malloc(count * sizeof *found);
        float *before = malloc(count * sizeof *before);
        assert_true(meant != NULL && found != NULL && before != NULL);
        assert_string_equal(layer->name, pl_model_layer(model, i)->name);
        pl_check_ok(pl_weights_read((pl_context){f->lab, &f->state, NULL}, i,
                                    (pl_weights_of){.which = which}, meant, &err),
                    err);
        pl_check_ok(pl_model_read_weight(model, i, before, &err), err);
        pl_check_ok(pl_model_read_weight(written, i, found, &err), err);
        assert_memory_equal(meant, found, count * sizeof *found);
        changed += memcmp(before, found, count * sizeof *found) != 0 ? 1 : 0;
        free(meant);
        free(found);
        free(before);
    }
    return changed;
}

static double measure_with(pl_model *model, const pl_hooks *hooks)
{
    pl_error err;
    int32_t ids[TEXT];
    pl_ppl_spec spec = {.length = 100, .windows = 1};
    pl_ppl_result found = {0};
    formula_ids(FORMULA_VOCAB, ids, TEXT);
    pl_check_ok(pl_perplexity(model, ids, TEXT, &spec, hooks, false, &found, NULL, &err), err);
    return found.perplexity;
}

static double measure(pl_model *model)
{
    return measure_with(model, NULL);
}

static void fused_tensors_are_written_whole(void **ctx)
{
    (void)ctx;
    fixture f;
    open_fixture(&f, "phi3", false, 100);
    solve(&f, "1.k_proj");
    solve(&f, "0.up");
    pl_model *written = export_f32(&f, PL_WHICH_AFTER);
    assert_int_equal(check_weights(&f, written, PL_WHICH_AFTER), 2);
    const pl_layer *k = pl_model_layer(written, 8);
    assert_string_equal(k->name, "model.layers.1.self_attn.k_proj");
    assert_string_equal(k->tensor->name, "model.layers.1.self_attn.qkv_proj.weight");
    assert_true(k->first_row == 32 && k->tensor->dims[0] == 64 && k->rows == 16);
    assert_int_equal(pl_checkpoint_count(pl_model_checkpoint(written)), 15);
    pl_model_close(written);
    close_fixture(&f);
}

static void parts_of_a_fused_tensor_have_identities_of_their_own(void **ctx)
{
    (void)ctx;
    fixture f;
    pl_error err;
    pl_id a;
    pl_id b;
    open_fixture(&f, "phi3", false, 100);
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 1, &a, NULL, &err), err);
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 2, &b, NULL, &err), err);
    assert_false(pl_id_equal(a, b));
    close_fixture(&f);
}

/* A layer that attention has. */
static const char *any_layer(const fixture *f)
{
    const bool q = pl_model_config(f->state.source->model)->q_latent == 0;
    return q ? "1.q_proj" : "1.q_b_proj";
}

static void gguf_becomes_the_same_hugging_face_folder(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {"mistral",
                                        "qwen3",
                                        "phi3",
                                        "phi3_long",
                                        "olmo2",
                                        "gemma2",
                                        "gemma3",
                                        "gemma3_pattern",
                                        "mixtral",
                                        "qwen2_moe",
                                        "llama_biases",
                                        "qwen3_biases",
                                        "llama_yarn",
                                        "llama_yarn_factors",
                                        "qwen3_moe",
                                        "olmoe",
                                        "granite",
                                        "smollm3",
                                        "starcoder2",
                                        "gpt2",
                                        "glm4",
                                        "cohere",
                                        "cohere2",
                                        "phi4_mini",
                                        "deepseek_v2",
                                        "deepseek_v3",
                                        "deepseek_v3_yarn",
                                        "gpt_oss",
                                        "gpt_oss_yarn"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fixture f;
        print_message("  %s\n", names[i]);
        open_fixture(&f, names[i], true, 100);
        solve(&f, any_layer(&f));
        pl_model *written = export_f32(&f, PL_WHICH_BEFORE);
        const json_t *about = formula_case(values, names[i]);
        const json_t *config = json_object_get(about, "config");
        assert_string_equal(pl_model_config(written)->architecture,
                            json_string_value(json_object_get(config, "model_type")));
        pl_check_close(measure(written), json_number_value(json_object_get(about, "perplexity")),
                       1e-4, 0);
        const char *name;
        json_t *shape;
        json_object_foreach(json_object_get(about, "tensors"), name, shape)
        {
            const pl_tensor *tensor = pl_checkpoint_find(pl_model_checkpoint(written), name);
            assert_non_null(tensor);
            assert_int_equal(tensor->n_dims, json_array_size(shape));
        }
        pl_model_close(written);
        close_fixture(&f);
    }
}

static void one_expert_is_solved_and_written(void **ctx)
{
    (void)ctx;
    static const char *const cases[][2] = {
        {"mixtral", "1.3.w1"},
        {"qwen2_moe", "1.shared_expert.up"},
        {"qwen3_moe", "1.2.down"},
        {"olmoe", "0.0.gate"},
        {"deepseek_v3", "2.7.down"},
        {"deepseek_v3", "1.kv_b"},
        {"deepseek_v3", "model.layers.1.mlp.shared_experts.up_proj"},
        {"deepseek_v2", "1.shared_expert.up"},
        {"deepseek_v2", "0.kv_a_proj_with_mqa"},
        {"gpt_oss", "1.3.gate"},
        {"gpt_oss", "2.1.up"},
        {"gpt_oss", "0.2.down"},
        {"llama4", "1.3.up"},
        {"llama4", "3.0.down"},
        {"llama4", "1.shared_expert.gate"},
        {"llama4", "0.up"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const json_t *about = formula_case(values, cases[i][0]);
        for (int gguf = 0; gguf < (json_object_get(about, "gguf") != NULL ? 2 : 1); gguf++) {
            fixture f;
            open_fixture(&f, cases[i][0], gguf != 0, 100);
            solve(&f, cases[i][1]);
            pl_model *written = export_f32(&f, PL_WHICH_AFTER);
            assert_int_equal(check_weights(&f, written, PL_WHICH_AFTER), 1);
            pl_model_close(written);
            close_fixture(&f);
        }
    }
}

/* gpt2's Conv1D holds q, k and v side by side as [in, out]: they are layers [out, in] here, of
 * identities of their own, and [in, out] again in what is written; no packed layout has such. */
static void transposed_tensors_are_written_as_they_were(void **ctx)
{
    (void)ctx;
    fixture f;
    pl_error err;
    pl_id a, b;
    pl_export_report report;
    open_fixture(&f, "gpt2", false, 100);
    const pl_model *model = f.state.source->model;
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 0, &a, NULL, &err), err);
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 1, &b, NULL, &err), err);
    assert_false(pl_id_equal(a, b));
    assert_true(pl_model_layer(model, 1)->transposed && pl_model_layer(model, 1)->first_row == 32);
    size_t layer = 0;
    assert_int_equal(pl_model_find_layer(model, "1.c_proj", &layer, &err), PL_ERR_USAGE);
    pl_check_says(err, "may be 1.attn.c_proj or 1.mlp.c_proj: name the part as well");
    pl_check_ok(pl_model_find_layer(model, "transformer.h.1.mlp.c_proj", &layer, &err), err);
    assert_string_equal(pl_model_layer(model, layer)->name, "model.layers.1.mlp.c_proj");
    assert_int_equal(pl_model_find_layer(model, "1.attn.c_fc", &layer, &err), PL_ERR_NOT_FOUND);
    solve(&f, "1.attn.k_proj");
    solve(&f, "0.mlp.c_fc");
    pl_export_spec packed = {.folder = f.out,
                             .which = PL_WHICH_AFTER,
                             .dtype = PL_DTYPE_OTHER,
                             .lossy = true,
                             .packing = pl_packing_at(0)};
    assert_int_equal(pl_export((pl_context){f.lab, &f.state, NULL}, &packed, &report, &err),
                     PL_ERR_UNSUPPORTED);
    pl_check_says(err, "no layer whose file holds it as [in, out] (Conv1D): expected format=hf");
    pl_model *written = export_f32(&f, PL_WHICH_AFTER);
    assert_int_equal(check_weights(&f, written, PL_WHICH_AFTER), 2);
    const pl_layer *v = pl_model_layer(written, 2);
    assert_string_equal(v->name, "model.layers.0.attn.v_proj");
    assert_string_equal(v->tensor->name, "transformer.h.0.attn.c_attn.weight");
    assert_true(v->tensor->dims[0] == 32 && v->tensor->dims[1] == 96 && v->transposed);
    pl_model_close(written);
    close_fixture(&f);
}

/* Without a gate, with one norm for two sites, with words of their own: a solved layer is written,
 * and reads back. */
static void words_of_other_architectures_are_kept(void **ctx)
{
    (void)ctx;
    static const char *const cases[][3] = {
        {"opt", "1.fc1", "model.decoder.layers.1.fc1.weight"},
        {"starcoder2", "0.c_proj", "model.layers.0.mlp.c_proj.weight"},
        {"cohere2", "1.gate", "model.layers.1.mlp.gate_proj.weight"},
        {"glm4", "0.up", "model.layers.0.mlp.gate_up_proj.weight"},
        {"smollm3", "3.q_proj", "model.layers.3.self_attn.q_proj.weight"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        pl_error err;
        size_t layer = 0;
        open_fixture(&f, cases[i][0], false, 100);
        solve(&f, cases[i][1]);
        pl_model *written = export_f32(&f, PL_WHICH_AFTER);
        assert_int_equal(check_weights(&f, written, PL_WHICH_AFTER), 1);
        pl_check_ok(pl_model_find_layer(written, cases[i][1], &layer, &err), err);
        assert_string_equal(pl_model_layer(written, layer)->tensor->name, cases[i][2]);
        pl_model_close(written);
        close_fixture(&f);
    }
}

/* A scale of a site's inputs costs nothing only where one producer alone takes it. */
static void a_diagonal_folds_where_nobody_else_reads(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *model, *layer, *fold;
    } cases[] = {
        {"qwen3", "0.q_proj", "the norm's gain"},
        {"qwen3", "0.up", "the norm's gain"},
        {"qwen3", "0.down", "up_proj's rows"},
        {"qwen3", "0.o_proj", NULL},
        {"olmo2", "0.q_proj", NULL},
        {"qwen3_moe", "0.q_proj", "the norm's gain"},
        {"qwen3_moe", "0.1.up", NULL},
        {"qwen3_moe", "0.1.down", "up_proj's rows"},
        {"cohere2", "0.q_proj", NULL},
        {"cohere2", "0.up", NULL},
        {"gpt2", "0.mlp.c_proj", NULL},
        {"gpt2", "0.c_fc", "the norm's gain"},
        {"gpt2", "0.attn.c_proj", "v_proj's rows"},
        {"opt", "0.fc2", "the rows of the layer before"},
        {"deepseek_v3", "0.q_a_proj", "the norm's gain"},
        {"deepseek_v3", "0.q_b_proj", "the gain of the latent vector's norm"},
        {"deepseek_v3", "0.kv_b_proj", "the gain of the latent vector's norm"},
        {"deepseek_v3", "0.o_proj", "kv_b_proj's rows of values"},
        {"deepseek_v3", "1.2.up", NULL},
        {"gpt_oss", "0.1.down", NULL},
        {"llama4", "1.1.down", "up_proj's rows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_temp temp;
        pl_error err;
        pl_model *model = NULL;
        size_t layer = 0;
        pl_temp_init(&temp);
        formula_write_hf(formula_case(values, cases[i].model), &temp);
        pl_check_ok(pl_model_open(temp.folder, &model, &err), err);
        pl_check_ok(pl_model_find_layer(model, cases[i].layer, &layer, &err), err);
        const char *fold =
            pl_model_input_fold(model, pl_model_site(model, pl_model_layer(model, layer)->site));
        assert_true((fold == NULL) == (cases[i].fold == NULL));
        assert_true(fold == NULL || strcmp(fold, cases[i].fold) == 0);
        pl_model_close(model);
        pl_temp_deinit(&temp);
    }
}

/* Each site's inputs scaled where something before can hold the scales, all layers rounded. */
static void solve_behind_diagonals(fixture *f)
{
    pl_error err;
    pl_model *model = f->state.source->model;
    const pl_context cx = {f->lab, &f->state, NULL};
    const pl_spec none = {0};
    f->state.slots[PL_SLOT_TRANSFORM] = pl_spec_default(pl_method_find("smoothquant"));
    f->state.slots[PL_SLOT_ROUND] = pl_spec_default(pl_method_find("rtn"));
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        if (pl_model_input_fold(model, pl_model_site(model, layer->site)) == NULL) {
            pl_check_ok(
                pl_state_set_override(&f->state, PL_SLOT_TRANSFORM, layer->name, &none, &err), err);
        }
    }
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        pl_solve_report found;
        pl_id result = {0};
        pl_check_ok(pl_solve_layer(cx, i, &found, &result, &err), err);
        pl_check_ok(pl_state_set_result(&f->state, i, pl_state_plan(&f->state, i), result, &err),
                    err);
    }
}

/* Also of fused and transposed tensors and of gemma's norms: the written model is the one that was
 * measured, and its layers are those of the other coordinates. */
static void diagonals_go_into_what_makes_the_input(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {"mistral",    "phi3",         "olmo2",  "gemma2",
                                        "gemma3",     "llama_biases", "gpt2",   "opt",
                                        "starcoder2", "glm4",         "cohere2"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int gguf = 0; gguf < (strcmp(names[i], "opt") != 0 ? 2 : 1); gguf++) {
            fixture f;
            pl_error err;
            pl_export_report report;
            pl_model *written = NULL;
            open_fixture(&f, names[i], gguf != 0, 100);
            solve_behind_diagonals(&f);
            pl_export_spec spec = {
                .folder = f.out, .which = PL_WHICH_AFTER, .dtype = PL_F32, .fold = true};
            pl_check_ok(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err), err);
            pl_check_ok(pl_model_open(f.out, &written, &err), err);
            pl_weights_ctx hook;
            pl_hooks hooks = pl_weights_hooks(&hook, f.lab, &f.state, PL_WHICH_AFTER);
            pl_check_close(measure_with(written, NULL), measure_with(f.state.source->model, &hooks),
                           1e-6, 0);
            float *own = malloc(4096 * sizeof *own), *found = malloc(4096 * sizeof *found);
            const pl_layer *last = pl_model_layer(written, pl_model_layer_count(written) - 1);
            const bool folds =
                pl_model_input_fold(written, pl_model_site(written, last->site)) != NULL;
            assert_true(own != NULL && found != NULL && last->rows * last->cols <= 4096);
            const size_t at = pl_model_layer_count(written) - 1;
            pl_check_ok(pl_weights_read((pl_context){f.lab, &f.state, NULL}, at,
                                        (pl_weights_of){.which = PL_WHICH_AFTER}, own, &err),
                        err);
            pl_check_ok(pl_model_read_weight(written, at, found, &err), err);
            assert_int_equal(memcmp(own, found, last->rows * last->cols * sizeof *own) != 0, folds);
            free(own);
            free(found);
            pl_model_close(written);
            close_fixture(&f);
        }
    }
}

/* Rounds the layers by `method` and writes a GGUF; the caller closes what is read back. */
static pl_model *export_gguf(fixture *f, const char *glob, const char *symmetric,
                             pl_export_report *report)
{
    pl_error err;
    pl_model *written = NULL;
    char path[620];
    const pl_model *model = f->state.source->model;
    f->state.slots[PL_SLOT_ROUND] = pl_spec_default(pl_method_find("rtn"));
    pl_check_ok(pl_spec_set(&f->state.slots[PL_SLOT_ROUND], "symmetric", symmetric, &err), err);
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        if (pl_model_layer_matches(model, i, glob)) {
            pl_solve_report found;
            pl_id result = {0};
            pl_check_ok(
                pl_solve_layer((pl_context){f->lab, &f->state, NULL}, i, &found, &result, &err),
                err);
            pl_check_ok(
                pl_state_set_result(&f->state, i, pl_state_plan(&f->state, i), result, &err), err);
        }
    }
    pl_export_spec spec = {
        .folder = f->out, .which = PL_WHICH_AFTER, .dtype = PL_DTYPE_OTHER, .gguf = true};
    pl_check_ok(pl_export((pl_context){f->lab, &f->state, NULL}, &spec, report, &err), err);
    snprintf(path, sizeof path, "%s/model.gguf", f->out);
    pl_check_ok(pl_model_open(path, &written, &err), err);
    return written;
}

/* Keys, names and shapes are those that the converter's file has. */
static void check_converted(const json_t *about, pl_model *written)
{
    const json_t *gguf = json_object_get(about, "gguf");
    const json_t *found = pl_checkpoint_metadata(pl_model_checkpoint(written));
    const char *architecture = json_string_value(json_object_get(gguf, "architecture"));
    const char *name;
    json_t *value;
    assert_string_equal(json_string_value(json_object_get(found, "general.architecture")),
                        architecture);
    json_object_foreach(json_object_get(gguf, "keys"), name, value)
    {
        char key[96];
        snprintf(key, sizeof key, "%s.%s", architecture, name);
        const json_t *own = json_object_get(found, key);
        if (json_is_integer(value) && json_is_array(own)) { /* a pattern of blocks, spelled out */
            assert_string_equal(name, "attention.sliding_window_pattern");
        } else if (json_is_string(value)) {
            assert_string_equal(json_string_value(own), json_string_value(value));
        } else {
            pl_check_close(json_number_value(own), json_number_value(value), 1e-6, 0);
        }
    }
    json_object_foreach(json_object_get(gguf, "tensors"), name, value)
    {
        uint64_t dims[3] = {0};
        const json_t *from = json_object_get(value, "from");
        const char *first = json_string_value(json_array_get(from, 0));
        const size_t count =
            formula_shape(json_object_get(json_object_get(about, "tensors"), first), dims);
        const pl_tensor *tensor = pl_checkpoint_find(pl_model_checkpoint(written), name);
        assert_non_null(tensor);
        assert_int_equal(pl_tensor_elements(tensor), count * json_array_size(from));
    }
    assert_int_equal(pl_checkpoint_count(pl_model_checkpoint(written)),
                     json_object_size(json_object_get(gguf, "tensors")) +
                         json_object_size(json_object_get(gguf, "arrays")));
}

static void hugging_face_becomes_the_same_gguf(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {
        "mistral",         "qwen3",      "phi3",         "phi3_long",         "olmo2",
        "gemma2",          "gemma3",     "mixtral",      "qwen2_moe",         "gemma3_pattern",
        "llama_biases",    "llama_yarn", "qwen3_biases", "mistral_no_window", "deepseek_v3",
        "deepseek_v3_yarn"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fixture f;
        pl_error err;
        pl_export_report report;
        pl_model *written = NULL;
        char path[620];
        print_message("  %s\n", names[i]);
        open_fixture(&f, names[i], false, 100);
        solve(&f, any_layer(&f));
        pl_export_spec spec = {
            .folder = f.out, .which = PL_WHICH_AFTER, .dtype = PL_F32, .gguf = true};
        pl_check_ok(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err), err);
        snprintf(path, sizeof path, "%s/model.gguf", f.out);
        pl_check_ok(pl_model_open(path, &written, &err), err);
        assert_string_equal(report.types, strncmp(names[i], "phi3", 4) == 0 ? "F32 3" : "F32 1");
        check_converted(formula_case(values, names[i]), written);
        assert_int_equal(check_weights(&f, written, PL_WHICH_AFTER), 1);
        pl_weights_ctx hook;
        pl_hooks hooks =
            pl_weights_hooks(&hook, (pl_context){f.lab, &f.state, NULL}, PL_WHICH_AFTER);
        pl_check_close(measure_with(written, NULL), measure_with(f.state.source->model, &hooks),
                       1e-6, 0);
        pl_model_close(written);
        close_fixture(&f);
    }
}

/* What the card, the tokenizer's file and the folder tell of a model besides. */
static void a_card_becomes_keys(void **ctx)
{
    (void)ctx;
    static const char card[] = "---\nlicense: \"mit\"\nmodel_creator: 'A B'\nbase_model:\n"
                               "- some-org/small-model-7B\n---\n# license: no\n";
    static const char *const keys[][2] = {
        {"author", "A B"},
        {"license", "mit"},
        {"base_model.0.name", "Small Model 7B"},
        {"base_model.0.organization", "Some Org"},
        {"base_model.0.repo_url", "https://huggingface.co/some-org/small-model-7B"}};
    fixture f;
    pl_export_report report;
    char text[640], token[4];
    open_fixture(&f, "mistral", false, 100);
    snprintf(text, sizeof text, "{\"pad_token\": \"%s\"}", formula_token(5, token));
    pl_temp_write(&f.temp, "tokenizer_config.json", text, strlen(text));
    pl_temp_write(&f.temp, "README.md", card, sizeof card - 1);
    pl_temp_write(&f.temp, "LICENSE", "all", 3);
    pl_model *written = export_gguf(&f, "*.q_proj", "yes", &report);
    const json_t *found = pl_checkpoint_metadata(pl_model_checkpoint(written));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(text, sizeof text, "general.%s", keys[i][0]);
        assert_string_equal(json_string_value(json_object_get(found, text)), keys[i][1]);
    }
    const json_t *pad = json_object_get(found, "tokenizer.ggml.padding_token_id");
    assert_int_equal(json_integer_value(pad), 5);
    snprintf(text, sizeof text, "%s/LICENSE", f.out);
    assert_int_equal(access(text, R_OK), 0);
    pl_model_close(written);
    close_fixture(&f);
}

/* What was rounded, to the bit, also where rows are permuted and experts stacked. */
static void hugging_face_codes_become_blocks(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *model, *layers, *symmetric, *types;
        size_t changed;
    } cases[] = {
        {"mistral", "*.[qkv]_proj", "yes", "Q4_0 6", 6},
        {"phi3", "*.[qkv]_proj", "full", "Q4_0 6", 6},
        {"mixtral", "1.*.w1", "no", "Q5_0 4", 4},
        {"gemma2", "0.up_proj", "yes", "Q4_0 1", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        pl_export_report report;
        open_fixture(&f, cases[i].model, false, 100);
        pl_model *written = export_gguf(&f, cases[i].layers, cases[i].symmetric, &report);
        assert_string_equal(report.types, cases[i].types);
        pl_check_close(report.max_dtype_error, 0, 0, 0);
        pl_check_close(report.other_dtype_error, 0, 0, 0);
        assert_int_equal(check_weights(&f, written, PL_WHICH_AFTER), cases[i].changed);
        pl_model_close(written);
        close_fixture(&f);
    }
}

/* Permuted heads, fused projections, stacked experts: what was rounded, to the bit, and the rest as
 * it was. */
static void gguf_is_written_from_gguf(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *model, *layers, *symmetric, *types;
        size_t changed;
    } cases[] = {
        {"mistral", "*.[qkv]_proj", "yes", "Q4_0 6", 6},
        {"phi3", "*.[qkv]_proj", "full", "Q4_0 6", 6},
        {"mixtral", "1.*.w1", "no", "Q5_0 4", 4},
        {"gemma2", "0.up_proj", "yes", "Q4_0 1", 1},
        {"gpt2", "*.[qkv]_proj", "yes", "Q4_0 6", 6},
        {"granite", "*.[qkv]_proj", "yes", "Q4_0 6", 6},
        {"cohere2", "1.up_proj", "yes", "Q4_0 1", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        pl_export_report report;
        open_fixture(&f, cases[i].model, true, 100);
        pl_model *written = export_gguf(&f, cases[i].layers, cases[i].symmetric, &report);
        print_message("  %s: %s\n", cases[i].model, report.types);
        assert_string_equal(report.types, cases[i].types);
        assert_int_equal(report.packed, cases[i].changed);
        assert_int_equal(report.requantized, 0);
        pl_check_close(report.max_dtype_error, 0, 0, 0);
        assert_int_equal(check_weights(&f, written, PL_WHICH_AFTER), cases[i].changed);
        pl_model_close(written);
        close_fixture(&f);
    }
}

static void gguf_refuses_what_no_type_holds(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *model, *layer, *bits, *says;
        bool gguf;
    } cases[] = {
        {"mistral", "0.down_proj", "4", "its inputs are no multiple of 32", false},
        {"mistral", "0.down_proj", "4",
         "format=gguf cannot hold it exactly: its inputs are no "
         "multiple of 32 (lossy=yes rounds it anew",
         true},
        {"phi3", "0.q_proj", "4", "some of the layers in it are not solved", true},
        {"mistral", "0.q_proj", "8", "no type has its levels, its scales and its groups", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        pl_error err;
        size_t layer = 0;
        pl_solve_report found;
        pl_id result = {0};
        pl_export_report report;
        open_fixture(&f, cases[i].model, cases[i].gguf, 100);
        pl_spec *round = &f.state.slots[PL_SLOT_ROUND];
        *round = pl_spec_default(pl_method_find("rtn"));
        pl_check_ok(pl_spec_set(round, "bits", cases[i].bits, &err), err);
        pl_check_ok(pl_spec_set(round, "symmetric", "no", &err), err);
        pl_check_ok(pl_model_find_layer(f.state.source->model, cases[i].layer, &layer, &err), err);
        pl_check_ok(
            pl_solve_layer((pl_context){f.lab, &f.state, NULL}, layer, &found, &result, &err), err);
        pl_check_ok(
            pl_state_set_result(&f.state, layer, pl_state_plan(&f.state, layer), result, &err),
            err);
        pl_export_spec spec = {
            .folder = f.out, .which = PL_WHICH_AFTER, .dtype = PL_DTYPE_OTHER, .gguf = true};
        assert_int_not_equal(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err),
                             PL_OK);
        pl_check_says(err, cases[i].says);
        if (i == 3) { /* 8 bits with a zero point: rounded as Q8_0, and said so */
            spec.lossy = true;
            pl_check_ok(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err), err);
            assert_int_equal(report.requantized, 1);
            assert_string_equal(report.types, "Q8_0 1");
            expect_less(0, report.requantization_error);
            expect_less(report.requantization_error, 0.02);
        }
        close_fixture(&f);
    }
}

static void an_expert_without_tokens_is_named(void **ctx)
{
    (void)ctx;
    fixture f;
    pl_error err;
    open_fixture(&f, "mixtral", false, 1);
    const pl_model *model = f.state.source->model;
    size_t empty = SIZE_MAX;
    for (size_t s = 0; s < pl_model_site_count(model); s++) {
        pl_site_stats stats;
        pl_check_ok(pl_calib_load_site(pl_lab_store(f.lab), f.state.calibration.key,
                                       f.state.source->model, s, PL_GRAM_NONE, false, &stats, &err),
                    err);
        empty = empty == SIZE_MAX && !(stats.tokens > 0) ? s : empty;
        pl_site_stats_deinit(&stats);
    }
    assert_true(empty != SIZE_MAX);
    solve(&f, pl_model_layer(model, pl_model_site(model, empty)->layers[0])->name);
    char *warning = pl_lab_take_warning(f.lab);
    assert_non_null(warning);
    assert_non_null(strstr(warning, pl_model_site(model, empty)->name));
    assert_non_null(strstr(warning, "no token of the calibration was routed to this expert"));
    free(warning);
    close_fixture(&f);
}

int main(void)
{
    values = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_tensors_are_written_whole),
        cmocka_unit_test(parts_of_a_fused_tensor_have_identities_of_their_own),
        cmocka_unit_test(gguf_becomes_the_same_hugging_face_folder),
        cmocka_unit_test(one_expert_is_solved_and_written),
        cmocka_unit_test(transposed_tensors_are_written_as_they_were),
        cmocka_unit_test(words_of_other_architectures_are_kept),
        cmocka_unit_test(a_diagonal_folds_where_nobody_else_reads),
        cmocka_unit_test(gguf_is_written_from_gguf),
        cmocka_unit_test(hugging_face_becomes_the_same_gguf),
        cmocka_unit_test(diagonals_go_into_what_makes_the_input),
        cmocka_unit_test(a_card_becomes_keys),
        cmocka_unit_test(hugging_face_codes_become_blocks),
        cmocka_unit_test(gguf_refuses_what_no_type_holds),
        cmocka_unit_test(an_expert_without_tokens_is_named),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
