/* Exports of architectures whose files hold more than one layer a tensor, or other numbers than
 * Hugging Face's: fused projections, stacked experts, gemma's norms. */
#include "tests/unit/lab/export_arch.h"

#include <unistd.h>

static void fused_tensors_are_written_whole(void **ctx)
{
    (void)ctx;
    arch_fixture f;
    arch_open(&f, "phi3", false, 100);
    arch_solve(&f, "1.k_proj");
    arch_solve(&f, "0.up");
    pl_model *written = arch_export(&f, PL_WHICH_AFTER);
    assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), 2);
    const pl_layer *k = pl_model_layer(written, 8);
    assert_string_equal(k->name, "model.layers.1.self_attn.k_proj");
    assert_string_equal(k->tensor->name, "model.layers.1.self_attn.qkv_proj.weight");
    assert_int_equal(k->first_row, 32);
    assert_int_equal(k->tensor->dims[0], 64);
    assert_int_equal(k->rows, 16);
    assert_int_equal(pl_checkpoint_count(pl_model_checkpoint(written)), 15);
    pl_model_close(written);
    arch_close(&f);
}

static void parts_of_a_fused_tensor_have_identities_of_their_own(void **ctx)
{
    (void)ctx;
    arch_fixture f;
    pl_error err;
    pl_id a;
    pl_id b;
    arch_open(&f, "phi3", false, 100);
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 1, &a, NULL, &err), err);
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 2, &b, NULL, &err), err);
    assert_false(pl_id_equal(a, b));
    arch_close(&f);
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
        arch_fixture f;
        print_message("  %s\n", names[i]);
        arch_open(&f, names[i], true, 100);
        arch_solve(&f, arch_any_layer(&f));
        pl_model *written = arch_export(&f, PL_WHICH_BEFORE);
        const json_t *about = formula_case(arch_values, names[i]);
        const json_t *config = json_object_get(about, "config");
        assert_string_equal(pl_model_config(written)->architecture,
                            json_string_value(json_object_get(config, "model_type")));
        pl_check_close(arch_measure(written),
                       json_number_value(json_object_get(about, "perplexity")), 1e-4, 0);
        const char *name;
        json_t *shape;
        json_object_foreach(json_object_get(about, "tensors"), name, shape)
        {
            const pl_tensor *tensor = pl_checkpoint_find(pl_model_checkpoint(written), name);
            assert_non_null(tensor);
            assert_int_equal(tensor->n_dims, json_array_size(shape));
        }
        pl_model_close(written);
        arch_close(&f);
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
        const json_t *about = formula_case(arch_values, cases[i][0]);
        for (int gguf = 0; gguf < (json_object_get(about, "gguf") != NULL ? 2 : 1); gguf++) {
            arch_fixture f;
            arch_open(&f, cases[i][0], gguf != 0, 100);
            arch_solve(&f, cases[i][1]);
            pl_model *written = arch_export(&f, PL_WHICH_AFTER);
            assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), 1);
            pl_model_close(written);
            arch_close(&f);
        }
    }
}

/* gpt2's Conv1D holds q, k and v side by side as [in, out]: they are layers [out, in] here, of
 * identities of their own, and [in, out] again in what is written; no packed layout has such. */
static void transposed_tensors_are_written_as_they_were(void **ctx)
{
    (void)ctx;
    arch_fixture f;
    pl_error err;
    pl_id a, b;
    pl_export_report report;
    arch_open(&f, "gpt2", false, 100);
    const pl_model *model = f.state.source->model;
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 0, &a, NULL, &err), err);
    pl_check_ok(pl_model_layer_identity(f.state.source->model, 1, &b, NULL, &err), err);
    assert_false(pl_id_equal(a, b));
    assert_true(pl_model_layer(model, 1)->transposed);
    assert_int_equal(pl_model_layer(model, 1)->first_row, 32);
    size_t layer = 0;
    assert_int_equal(pl_model_find_layer(model, "1.c_proj", &layer, &err), PL_ERR_USAGE);
    pl_check_says(err, "may be 1.attn.c_proj or 1.mlp.c_proj: name the part as well");
    pl_check_ok(pl_model_find_layer(model, "transformer.h.1.mlp.c_proj", &layer, &err), err);
    assert_string_equal(pl_model_layer(model, layer)->name, "model.layers.1.mlp.c_proj");
    assert_int_equal(pl_model_find_layer(model, "1.attn.c_fc", &layer, &err), PL_ERR_NOT_FOUND);
    arch_solve(&f, "1.attn.k_proj");
    arch_solve(&f, "0.mlp.c_fc");
    pl_export_spec packed = {.folder = f.out,
                             .which = PL_WHICH_AFTER,
                             .dtype = PL_DTYPE_OTHER,
                             .lossy = true,
                             .packing = pl_packing_at(0)};
    assert_int_equal(pl_export((pl_context){f.lab, &f.state, NULL}, &packed, &report, &err),
                     PL_ERR_UNSUPPORTED);
    pl_check_says(err, "no layer whose file holds it as [in, out] (Conv1D): expected format=hf");
    pl_model *written = arch_export(&f, PL_WHICH_AFTER);
    assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), 2);
    const pl_layer *v = pl_model_layer(written, 2);
    assert_string_equal(v->name, "model.layers.0.attn.v_proj");
    assert_string_equal(v->tensor->name, "transformer.h.0.attn.c_attn.weight");
    assert_int_equal(v->tensor->dims[0], 32);
    assert_int_equal(v->tensor->dims[1], 96);
    assert_true(v->transposed);
    pl_model_close(written);
    arch_close(&f);
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
        arch_fixture f;
        pl_error err;
        size_t layer = 0;
        arch_open(&f, cases[i][0], false, 100);
        arch_solve(&f, cases[i][1]);
        pl_model *written = arch_export(&f, PL_WHICH_AFTER);
        assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), 1);
        pl_check_ok(pl_model_find_layer(written, cases[i][1], &layer, &err), err);
        assert_string_equal(pl_model_layer(written, layer)->tensor->name, cases[i][2]);
        pl_model_close(written);
        arch_close(&f);
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
        {"deepseek_v3", "model.layers.1.mlp.shared_experts.up_proj", NULL},
        {"deepseek_v3", "model.layers.1.mlp.shared_experts.down_proj", "up_proj's rows"},
        {"deepseek_v2", "0.up", "the norm's gain"},
        {"gpt_oss", "0.1.down", NULL},
        {"llama4", "1.1.down", "up_proj's rows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_temp temp;
        pl_error err;
        pl_model *model = NULL;
        size_t layer = 0;
        pl_temp_init_fast(&temp);
        formula_write_hf(formula_case(arch_values, cases[i].model), &temp);
        pl_check_ok(pl_model_open(temp.folder, &model, &err), err);
        pl_check_ok(pl_model_find_layer(model, cases[i].layer, &layer, &err), err);
        const char *fold =
            pl_model_input_fold(model, pl_model_site(model, pl_model_layer(model, layer)->site));
        assert_int_equal(fold == NULL, cases[i].fold == NULL);
        assert_true(fold == NULL || strcmp(fold, cases[i].fold) == 0);
        pl_model_close(model);
        pl_temp_deinit(&temp);
    }
}

/* Each site's inputs scaled where something before can hold the scales, all layers rounded. */
static void solve_behind_diagonals(arch_fixture *f)
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
    static const char *const names[] = {
        "mistral", "phi3",       "olmo2",     "gemma2",  "gemma3",      "llama_biases", "gpt2",
        "opt",     "starcoder2", "glm4",      "cohere2", "deepseek_v2", "deepseek_v3",  "gpt_oss",
        "llama4",  "qwen3_moe",  "qwen2_moe", "olmoe",   "mixtral"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const bool both = json_object_get(formula_case(arch_values, names[i]), "gguf") != NULL;
        for (int gguf = 0; gguf < (both ? 2 : 1); gguf++) {
            arch_fixture f;
            pl_error err;
            pl_export_report report;
            pl_model *written = NULL;
            arch_open(&f, names[i], gguf != 0, 100);
            solve_behind_diagonals(&f);
            pl_export_spec spec = {
                .folder = f.out, .which = PL_WHICH_AFTER, .dtype = PL_F32, .fold = true};
            pl_check_ok(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err), err);
            pl_check_ok(pl_model_open(f.out, &written, &err), err);
            pl_weights_ctx hook;
            pl_hooks hooks =
                pl_weights_hooks(&hook, (pl_context){f.lab, &f.state, NULL}, PL_WHICH_AFTER);
            pl_check_close(arch_measure_with(written, NULL),
                           arch_measure_with(f.state.source->model, &hooks), 1e-6, 0);
            float *own = malloc(4096 * sizeof *own), *found = malloc(4096 * sizeof *found);
            const pl_layer *last = pl_model_layer(written, pl_model_layer_count(written) - 1);
            const bool folds =
                pl_model_input_fold(written, pl_model_site(written, last->site)) != NULL;
            assert_non_null(own);
            assert_non_null(found);
            expect_at_most(last->rows * last->cols, 4096);
            const size_t at = pl_model_layer_count(written) - 1;
            pl_check_ok(pl_weights_read((pl_context){f.lab, &f.state, NULL}, at,
                                        (pl_weights_of){.which = PL_WHICH_AFTER}, own, &err),
                        err);
            pl_check_ok(pl_model_read_weight(written, at, found, &err), err);
            assert_int_equal(memcmp(own, found, last->rows * last->cols * sizeof *own) != 0, folds);
            free(own);
            free(found);
            pl_model_close(written);
            arch_close(&f);
        }
    }
}

/* Diagonals in a GGUF of either source: what the folder has, with permuted rows and gemma's 1 +
 * gain as llama.cpp wants them. */
static void diagonals_go_into_a_gguf(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {"mistral",      "phi3",    "gemma2",
                                        "llama_biases", "mixtral", "qwen3_moe"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof names[0]; i++) {
        arch_fixture f;
        pl_error err;
        pl_export_report report;
        pl_model *written = NULL;
        char path[620];
        print_message("  %s of %s\n", names[i / 2], i % 2 > 0 ? "a GGUF" : "a folder");
        arch_open(&f, names[i / 2], i % 2 > 0, 100);
        solve_behind_diagonals(&f);
        const pl_export_spec spec = {
            .folder = f.out, .which = PL_WHICH_AFTER, .dtype = PL_F32, .gguf = true, .fold = true};
        pl_check_ok(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err), err);
        snprintf(path, sizeof path, "%s/model.gguf", f.out);
        pl_check_ok(pl_model_open(path, &written, &err), err);
        pl_weights_ctx hook;
        pl_hooks hooks =
            pl_weights_hooks(&hook, (pl_context){f.lab, &f.state, NULL}, PL_WHICH_AFTER);
        pl_check_close(arch_measure(written), arch_measure_with(f.state.source->model, &hooks),
                       1e-6, 0);
        pl_model_close(written);
        arch_close(&f);
    }
}

/* A GGUF's kv_b in two tensors: solved as one layer, of an identity that both make, which no GGUF
 * is written of. */
static void a_split_layer_is_one(void **ctx)
{
    (void)ctx;
    arch_fixture f;
    pl_error err;
    pl_export_report report;
    size_t layer = 0;
    arch_open(&f, "deepseek_v2", true, 100);
    pl_model *model = f.state.source->model;
    pl_check_ok(pl_model_find_layer(model, "1.kv_b", &layer, &err), err);
    const pl_layer *info = pl_model_layer(model, layer);
    assert_non_null(info->keys);
    assert_string_equal(info->keys->name, "blk.1.attn_k_b.weight");
    assert_int_equal(info->rows, 88);
    assert_int_equal(info->cols, 16);
    size_t unread = 0;
    (void)pl_model_unread(model, &unread);
    assert_int_equal(unread, 0);
    pl_export_spec spec = {.folder = f.out, .which = PL_WHICH_AFTER, .dtype = PL_F32, .gguf = true};
    arch_solve(&f, "1.kv_b");
    assert_int_equal(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err),
                     PL_ERR_UNSUPPORTED);
    pl_check_says(err, "kv_b_proj is solved, and this GGUF has it in two tensors");
    pl_model *written = arch_export(&f, PL_WHICH_AFTER);
    assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), 1);
    pl_model_close(written);
    arch_close(&f);
}

static void an_expert_without_tokens_is_named(void **ctx)
{
    (void)ctx;
    arch_fixture f;
    pl_error err;
    arch_open(&f, "mixtral", false, 1);
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
    assert_int_not_equal(empty, SIZE_MAX);
    arch_solve(&f, pl_model_layer(model, pl_model_site(model, empty)->layers[0])->name);
    char *warning = pl_lab_take_warning(f.lab);
    assert_non_null(warning);
    assert_non_null(strstr(warning, pl_model_site(model, empty)->name));
    assert_non_null(strstr(warning, "no token of the calibration was routed to this expert"));
    free(warning);
    arch_close(&f);
}

int main(void)
{
    arch_values = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_tensors_are_written_whole),
        cmocka_unit_test(parts_of_a_fused_tensor_have_identities_of_their_own),
        cmocka_unit_test(gguf_becomes_the_same_hugging_face_folder),
        cmocka_unit_test(one_expert_is_solved_and_written),
        cmocka_unit_test(transposed_tensors_are_written_as_they_were),
        cmocka_unit_test(words_of_other_architectures_are_kept),
        cmocka_unit_test(a_split_layer_is_one),
        cmocka_unit_test(a_diagonal_folds_where_nobody_else_reads),
        cmocka_unit_test(diagonals_go_into_what_makes_the_input),
        cmocka_unit_test(diagonals_go_into_a_gguf),
        cmocka_unit_test(an_expert_without_tokens_is_named),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(arch_values);
    return failed;
}
