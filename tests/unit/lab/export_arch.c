#include "tests/unit/lab/export_arch.h"

json_t *arch_values;

void arch_open(arch_fixture *f, const char *name, bool gguf, size_t length)
{
    pl_error err;
    pl_model *model = NULL;
    pl_source *source = NULL;
    const json_t *about = formula_case(arch_values, name);
    memset(f, 0, sizeof *f);
    pl_temp_init_fast(&f->temp);
    pl_temp_init_fast(&f->store);
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
    formula_write_text(&f->temp, "text.txt", ARCH_TEXT);
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

void arch_close(arch_fixture *f)
{
    pl_state_deinit(&f->state);
    pl_lab_destroy(f->lab);
    pl_temp_deinit(&f->store);
    pl_temp_deinit(&f->temp);
}

void arch_solve(arch_fixture *f, const char *name)
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

pl_model *arch_export(arch_fixture *f, pl_which which)
{
    pl_error err;
    pl_model *written = NULL;
    pl_export_report report;
    pl_export_spec spec = {.folder = f->out, .which = which, .dtype = PL_F32};
    pl_check_ok(pl_export((pl_context){f->lab, &f->state, NULL}, &spec, &report, &err), err);
    pl_check_ok(pl_model_open(f->out, &written, &err), err);
    return written;
}

size_t arch_check_weights(arch_fixture *f, pl_model *written, pl_which which)
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

double arch_measure_with(pl_model *model, const pl_hooks *hooks)
{
    pl_error err;
    int32_t ids[ARCH_TEXT];
    pl_ppl_spec spec = {.length = 100, .windows = 1};
    pl_ppl_result found = {0};
    formula_ids(FORMULA_VOCAB, ids, ARCH_TEXT);
    pl_check_ok(pl_perplexity(model, ids, ARCH_TEXT, &spec, hooks, false, &found, NULL, &err), err);
    return found.perplexity;
}

double arch_measure(pl_model *model)
{
    return arch_measure_with(model, NULL);
}

const char *arch_any_layer(const arch_fixture *f)
{
    const bool q = pl_model_config(f->state.source->model)->q_latent == 0;
    return q ? "1.q_proj" : "1.q_b_proj";
}
