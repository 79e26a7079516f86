/* layers: the linear layers with their scores. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/run/picture.h"

#include <stdlib.h>
#include <string.h>

/* "astro > gptq", "import": what a solved layer was solved with; null for others. */
static const char of_another_model[] = "of another model";

static void put_method_of(json_t *line, const pl_state *state, size_t layer)
{
    pl_buf text = {0};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT && pl_state_result(state, layer) != NULL; slot++) {
        const pl_spec *spec = pl_state_spec(state, layer, slot);
        if (spec->method != NULL) {
            pl_buf_printf(&text, "%s%s", text.size > 0 ? " > " : "", spec->method->name);
        }
    }
    if (pl_state_is_foreign(state, layer)) {
        pl_buf_puts(&text, of_another_model);
    }
    pl_json_set(line, "method", text.size > 0 ? json_string(text.data) : json_null());
    pl_buf_deinit(&text);
}

/* What rounding has cost and takes; null for a layer that is not solved or not rounded. */
static void put_quality_of(json_t *line, pl_lab *lab, const pl_state *state, size_t layer)
{
    const pl_id *result = pl_state_result(state, layer);
    pl_solve_report report = pl_solve_report_empty();
    if (result != NULL && pl_result_report(lab, state, layer, *result, &report, NULL) != PL_OK) {
        report = pl_solve_report_empty();
    }
    pl_json_set(line, "sqnr", pl_number(pl_report_sqnr(&report)));
    pl_json_set(line, "bits_per_weight", pl_number(report.bits_per_weight));
}

/* Why a layer's weight cannot be read; the first few of a file are told. */
static void warn_problem(pl_lab *lab, pl_model *model, size_t layer, size_t before)
{
    const size_t told = 3;
    const pl_layer *info = pl_model_layer(model, layer);
    pl_mat w = {0};
    pl_error why = {0};
    pl_status status = pl_mat_init(&w, info->rows, info->cols, &why);
    if (status == PL_OK && before < told) {
        status = pl_model_read_weight(model, layer, w.data, &why);
    }
    if (status != PL_OK) {
        pl_lab_warn(lab, why.message);
    } else if (before == told) {
        pl_lab_warn(lab, "more layers cannot be read");
    }
    pl_mat_deinit(&w);
}

static pl_status run_layers(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                            pl_error *err)
{
    pl_model *model = state->source->model;
    size_t n = pl_model_layer_count(model);
    json_t *list = json_array();
    pl_json_set(call->result, "layers", list);
    pl_layer_score *scores = calloc(n + 1, sizeof *scores);
    if (scores == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    pl_id calibration = {0};
    size_t problems = 0;
    pl_status status = PL_OK;
    if (pl_model_inputs(model) != NULL) { /* given inputs need no `calibrate` */
        status = pl_lab_calibration(lab, state, &calibration, task, err);
    }
    if (status == PL_OK) {
        status = pl_layer_scores(lab, state, 0, n, scores, task, err);
    }
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        pl_json_append(list,
                       json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "name", layer->name, "rows",
                                 (json_int_t)layer->rows, "cols", (json_int_t)layer->cols,
                                 "weight_max", pl_number((double)scores[i].weight_max),
                                 "weight_ratio", pl_number((double)scores[i].weight_ratio),
                                 "input_ratio", pl_number((double)scores[i].input_ratio)));
        if (scores[i].problem == PL_ERR_NUMERIC) {
            warn_problem(lab, model, i, problems++);
        }
        put_method_of(json_array_get(list, i), state, i);
        put_quality_of(json_array_get(list, i), lab, state, i);
        if (pl_model_config(model)->experts > 0) { /* not every layer sees every token */
            pl_json_set(json_array_get(list, i), "tokens",
                        pl_number(pl_lab_site_tokens(lab, state, layer->site)));
        }
    }
    free(scores);
    return status;
}

const pl_command pl_command_layers = {
    .name = "layers",
    .positional = "",
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "List the linear layers with their outlier scores",
    .run = run_layers,
};
