/* GGUFs written of models of any architecture. */
#include "core/io/safetensors.h"
#include "tests/unit/lab/export_arch.h"

#include <math.h>
#include <unistd.h>

/* Rounds the layers by `method` and writes a GGUF; the caller closes what is read back. */
static pl_model *export_gguf(arch_fixture *f, const char *glob, const char *symmetric,
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
        const json_int_t step = json_integer_value(json_object_get(value, "step"));
        assert_int_equal(pl_tensor_elements(tensor),
                         count * json_array_size(from) / (step > 1 ? (size_t)step : 1));
    }
    assert_int_equal(pl_checkpoint_count(pl_model_checkpoint(written)),
                     json_object_size(json_object_get(gguf, "tensors")) +
                         json_object_size(json_object_get(gguf, "arrays")));
}

static void hugging_face_becomes_the_same_gguf(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {
        "mistral",          "qwen3",      "phi3",         "phi3_long",         "olmo2",
        "gemma2",           "gemma3",     "mixtral",      "qwen2_moe",         "gemma3_pattern",
        "llama_biases",     "llama_yarn", "qwen3_biases", "mistral_no_window", "deepseek_v3",
        "deepseek_v3_yarn", "gpt_oss"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        arch_fixture f;
        pl_error err;
        pl_export_report report;
        pl_model *written = NULL;
        char path[620];
        print_message("  %s\n", names[i]);
        arch_open(&f, names[i], false, 100);
        arch_solve(&f, arch_any_layer(&f));
        pl_export_spec spec = {
            .folder = f.out, .which = PL_WHICH_AFTER, .dtype = PL_F32, .gguf = true};
        pl_check_ok(pl_export((pl_context){f.lab, &f.state, NULL}, &spec, &report, &err), err);
        snprintf(path, sizeof path, "%s/model.gguf", f.out);
        pl_check_ok(pl_model_open(path, &written, &err), err);
        assert_string_equal(report.types, strncmp(names[i], "phi3", 4) == 0 ? "F32 3" : "F32 1");
        check_converted(formula_case(arch_values, names[i]), written);
        assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), 1);
        pl_weights_ctx hook;
        pl_hooks hooks =
            pl_weights_hooks(&hook, (pl_context){f.lab, &f.state, NULL}, PL_WHICH_AFTER);
        pl_check_close(arch_measure_with(written, NULL),
                       arch_measure_with(f.state.source->model, &hooks), 1e-6, 0);
        pl_model_close(written);
        arch_close(&f);
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
    arch_fixture f;
    pl_export_report report;
    char text[640], token[4];
    arch_open(&f, "mistral", false, 100);
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
    arch_close(&f);
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
        arch_fixture f;
        pl_export_report report;
        arch_open(&f, cases[i].model, false, 100);
        pl_model *written = export_gguf(&f, cases[i].layers, cases[i].symmetric, &report);
        assert_string_equal(report.types, cases[i].types);
        pl_check_close(report.max_dtype_error, 0, 0, 0);
        pl_check_close(report.other_dtype_error, 0, 0, 0);
        assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), cases[i].changed);
        pl_model_close(written);
        arch_close(&f);
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
        arch_fixture f;
        pl_export_report report;
        arch_open(&f, cases[i].model, true, 100);
        pl_model *written = export_gguf(&f, cases[i].layers, cases[i].symmetric, &report);
        print_message("  %s: %s\n", cases[i].model, report.types);
        assert_string_equal(report.types, cases[i].types);
        assert_int_equal(report.packed, cases[i].changed);
        assert_int_equal(report.requantized, 0);
        pl_check_close(report.max_dtype_error, 0, 0, 0);
        assert_int_equal(arch_check_weights(&f, written, PL_WHICH_AFTER), cases[i].changed);
        pl_model_close(written);
        arch_close(&f);
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
        arch_fixture f;
        pl_error err;
        size_t layer = 0;
        pl_solve_report found;
        pl_id result = {0};
        pl_export_report report;
        arch_open(&f, cases[i].model, cases[i].gguf, 100);
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
        arch_close(&f);
    }
}

/* The model as it is, unsolved; the caller closes what is read back. */
static pl_model *convert(arch_fixture *f, bool gguf, pl_dtype dtype, pl_export_report *report)
{
    pl_error err;
    pl_model *written = NULL;
    char path[620];
    const pl_export_spec spec = {
        .folder = f->out, .which = PL_WHICH_BEFORE, .dtype = dtype, .gguf = gguf};
    pl_check_ok(pl_export((pl_context){f->lab, &f->state, NULL}, &spec, report, &err), err);
    snprintf(path, sizeof path, "%s%s", f->out, gguf ? "/model.gguf" : "");
    pl_check_ok(pl_model_open(path, &written, &err), err);
    return written;
}

static void a_model_is_converted_as_it_is(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {"mistral",     "phi3",         "gemma2", "mixtral",
                                        "deepseek_v3", "llama_biases", "gpt_oss"};
    for (size_t i = 0; i < 4 * sizeof names / sizeof names[0]; i++) {
        const bool from = i % 4 / 2 > 0, to = i % 2 > 0;
        arch_fixture f;
        pl_export_report report;
        print_message("  %s: %s to %s\n", names[i / 4], from ? "gguf" : "hf", to ? "gguf" : "hf");
        arch_open(&f, names[i / 4], from, 100);
        if (!to || !from) {
            arch_solve(&f, arch_any_layer(&f)); /* which does not matter */
        }
        pl_model *written = convert(&f, to, PL_F32, &report);
        assert_int_equal(arch_check_weights(&f, written, PL_WHICH_BEFORE), 0);
        pl_check_close(report.max_dtype_error, 0, 0, 0);
        pl_check_close(report.other_dtype_error, 0, 0, 0);
        assert_true(isnan(report.bits_per_weight));
        if (to && !from) {
            check_converted(formula_case(arch_values, names[i / 4]), written);
        }
        pl_check_close(arch_measure(written), arch_measure(f.state.source->model), 1e-6, 0);
        pl_model_close(written);
        arch_close(&f);
    }
}

/* Blocks of 32 around 0: no value is further from its own than half a step, which is the largest
 * magnitude / 127 in float16. */
static void check_q8_0(const float *own, const float *found, size_t count)
{
    bool other = false;
    for (size_t i = 0; i < count; i += 32) {
        double most = 0.0;
        for (size_t k = i; k < i + 32; k++) {
            most = fmax(most, fabs((double)own[k]));
        }
        for (size_t k = i; k < i + 32; k++) {
            expect_at_most(fabs((double)own[k] - (double)found[k]), most * (0.5 / 127 + 0x1p-11));
            other = other || found[k] < own[k] || found[k] > own[k];
        }
    }
    assert_true(other);
}

/* Rows of whole blocks as Q8_0, others in float16, vectors and routers in float32; from a GGUF with
 * the same keys, and without a type byte by byte. */
static void a_model_is_converted_to_blocks(void **ctx)
{
    (void)ctx;
    static const char *const names[] = {"mistral", "mixtral", "deepseek_v3"};
    static const char *const stay[] = {"blk.1.attn_norm.weight", "blk.1.ffn_gate_inp.weight",
                                       "output_norm.weight"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof names[0]; i++) {
        arch_fixture f;
        pl_error err;
        pl_export_report report;
        size_t blocks = 0;
        arch_open(&f, names[i / 2], i % 2 > 0, 100);
        pl_model *source = f.state.source->model;
        pl_model *written = convert(&f, true, PL_Q8_0, &report);
        const pl_checkpoint *file = pl_model_checkpoint(written);
        for (size_t k = 0; k < pl_model_layer_count(written); k++) {
            const pl_layer *layer = pl_model_layer(written, k);
            const size_t count = layer->rows * layer->cols;
            float *own = malloc(count * sizeof *own), *found = malloc(count * sizeof *found);
            assert_true(own != NULL && found != NULL);
            assert_int_equal(layer->tensor->dtype, layer->cols % 32 == 0 ? PL_Q8_0 : PL_F16);
            pl_check_ok(pl_model_read_weight(source, k, own, &err), err);
            pl_check_ok(pl_model_read_weight(written, k, found, &err), err);
            if (layer->tensor->dtype == PL_Q8_0) {
                check_q8_0(own, found, count);
                blocks++;
            }
            free(own);
            free(found);
        }
        expect_less(0, blocks);
        assert_int_equal(report.requantized, blocks);
        assert_int_equal(pl_checkpoint_find(file, "token_embd.weight")->dtype, PL_Q8_0);
        for (size_t k = 0; k < sizeof stay / sizeof stay[0]; k++) {
            const pl_tensor *tensor = pl_checkpoint_find(file, stay[k]);
            assert_true(tensor == NULL || tensor->dtype == PL_F32);
        }
        assert_int_equal(
            json_integer_value(json_object_get(pl_checkpoint_metadata(file), "general.file_type")),
            strcmp(names[i / 2], "deepseek_v3") == 0 ? 1 : 7);
        pl_model_close(written);
        arch_close(&f);
    }
    arch_fixture f;
    pl_error err;
    pl_export_report report;
    pl_id own, copy;
    arch_open(&f, "mistral", true, 100);
    pl_model *written = convert(&f, true, PL_DTYPE_OTHER, &report);
    for (size_t i = 0; i < pl_checkpoint_count(pl_model_checkpoint(written)); i++) {
        pl_checkpoint *from = pl_model_checkpoint(f.state.source->model);
        pl_checkpoint *to = pl_model_checkpoint(written);
        pl_check_ok(pl_tensor_identity(from, pl_checkpoint_tensor(from, i), &own, NULL, &err), err);
        pl_check_ok(pl_tensor_identity(to, pl_checkpoint_tensor(to, i), &copy, NULL, &err), err);
        assert_true(pl_id_equal(own, copy));
    }
    pl_model_close(written);
    arch_close(&f);
}

enum { MOST_TENSORS = 96, LONGEST = 1 << 15 };

static bool is_gate_up(const char *name)
{
    return strstr(name, "gate_up_proj") != NULL && strstr(name, "_bias") == NULL;
}

/* Two codes of E2M1, none of them -0, which a GGUF's MXFP4 has not. */
static uint8_t two_codes(size_t i)
{
    const size_t low = (i * 37 + i / 7) % 15, high = (i * 11 + i / 5) % 15;
    return (uint8_t)((low < 8 ? low : low + 1) | (high < 8 ? high : high + 1) << 4);
}

/* A tensor's floats, or bytes of blocks and scales in their place, to a file. */
static void put_tensor(pl_st_writer *writer, pl_checkpoint *from, const char *name, bool raw,
                       size_t size)
{
    static float values[LONGEST];
    static uint8_t bytes[LONGEST];
    pl_error err;
    expect_at_most(size, LONGEST);
    if (raw) {
        for (size_t i = 0; i < size; i++) {
            bytes[i] = strstr(name, "_scales") != NULL ? (uint8_t)(120 + i % 5) : two_codes(i);
        }
        pl_check_ok(pl_st_writer_put_raw(writer, bytes, size, &err), err);
        return;
    }
    const pl_tensor *tensor = pl_checkpoint_find(from, name);
    pl_check_ok(pl_checkpoint_read(from, tensor, 0, pl_tensor_rows(tensor), values, &err), err);
    pl_check_ok(pl_st_writer_put(writer, values, size, NULL, &err), err);
}

/* Writes the checkpoint anew with gate and up of all experts as blocks of MXFP4. */
static void write_blocks(pl_temp *temp)
{
    static char names[MOST_TENSORS][96];
    static uint64_t dims[MOST_TENSORS][4];
    pl_st_entry entries[MOST_TENSORS] = {{0}};
    const char *raws[MOST_TENSORS] = {NULL};
    char path[700], made[700];
    pl_error err;
    pl_checkpoint *from = NULL;
    pl_st_writer *writer = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/model.safetensors", temp->folder);
    snprintf(made, sizeof made, "%s/made.safetensors", temp->folder);
    pl_check_ok(pl_checkpoint_open(path, &from, &err), err);
    for (size_t i = 0; i < pl_checkpoint_count(from); i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(from, i);
        for (int part = 0; part < (is_gate_up(tensor->name) ? 2 : 1); part++, n++) {
            expect_less(n, MOST_TENSORS);
            entries[n] = (pl_st_entry){
                .name = names[n], .dtype = PL_F32, .n_dims = tensor->n_dims, .dims = dims[n]};
            memcpy(dims[n], tensor->dims, tensor->n_dims * sizeof dims[n][0]);
            snprintf(names[n], sizeof names[n], "%s%s", tensor->name,
                     !is_gate_up(tensor->name) ? ""
                     : part == 0               ? "_blocks"
                                               : "_scales");
            if (is_gate_up(tensor->name)) { /* [experts, in, out] to [experts, out, in / 32, 16] */
                raws[n] = "U8";
                entries[n].n_dims = part == 0 ? 4 : 3;
                dims[n][1] = tensor->dims[2];
                dims[n][2] = tensor->dims[1] / 32;
                dims[n][3] = 16;
            }
        }
    }
    pl_check_ok(pl_st_writer_create(made, entries, raws, n, NULL, &writer, &err), err);
    for (size_t i = 0; i < n; i++) {
        const size_t at = pl_st_writer_order(writer, i);
        put_tensor(writer, from, names[at], raws[at] != NULL,
                   (size_t)pl_dims_elements(dims[at], entries[at].n_dims));
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    pl_checkpoint_close(from);
    assert_int_equal(rename(made, path), 0);
}

/* gpt_oss's own files have its experts so. */
static void blocks_of_experts_stay_blocks(void **ctx)
{
    (void)ctx;
    arch_fixture f;
    pl_error err;
    pl_export_report report;
    pl_model *model = NULL;
    pl_source *source = NULL;
    arch_open(&f, "gpt_oss", false, 100);
    write_blocks(&f.temp);
    pl_check_ok(pl_model_open(f.temp.folder, &model, &err), err);
    pl_check_ok(pl_source_create(model, f.temp.folder, NULL, &source, &err), err);
    pl_check_ok(pl_state_set_source(&f.state, source, &err), err);
    pl_source_release(source);
    pl_model *written = convert(&f, true, PL_DTYPE_OTHER, &report);
    assert_int_equal(arch_check_weights(&f, written, PL_WHICH_BEFORE), 0);
    assert_int_equal(report.requantized, 0);
    const pl_checkpoint *file = pl_model_checkpoint(written);
    assert_int_equal(pl_checkpoint_find(file, "blk.1.ffn_gate_exps.weight")->dtype, PL_MXFP4);
    assert_int_equal(pl_checkpoint_find(file, "blk.2.ffn_up_exps.weight")->dtype, PL_MXFP4);
    assert_int_equal(pl_checkpoint_find(file, "blk.1.ffn_down_exps.weight")->dtype, PL_F32);
    pl_check_close(arch_measure(written), arch_measure(model), 1e-6, 0);
    pl_model_close(written);
    arch_close(&f);
}

int main(void)
{
    arch_values = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_is_written_from_gguf),
        cmocka_unit_test(hugging_face_becomes_the_same_gguf),
        cmocka_unit_test(a_card_becomes_keys),
        cmocka_unit_test(hugging_face_codes_become_blocks),
        cmocka_unit_test(a_model_is_converted_as_it_is),
        cmocka_unit_test(a_model_is_converted_to_blocks),
        cmocka_unit_test(blocks_of_experts_stay_blocks),
        cmocka_unit_test(gguf_refuses_what_no_type_holds),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(arch_values);
    return failed;
}
