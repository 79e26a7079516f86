/* method, solve. */
#include "app/handlers.h"
#include "app/usage.h"
#include "core/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *parameter_json(const pl_spec *spec, size_t index)
{
    const pl_param *param = &spec->method->params[index];
    double value = spec->values[index];
    switch (param->type) {
    case PL_PARAM_INT:
        return json_integer((json_int_t)value);
    case PL_PARAM_CHOICE:
        return json_string(param->choices[(size_t)value]);
    case PL_PARAM_REAL:
        break;
    }
    return pl_number(value);
}

static void put_method(json_t *result, pl_slot slot, const pl_spec *spec, const char *glob)
{
    pl_json_set(result, "slot", json_string(pl_slot_name(slot)));
    json_t *parameters = json_object();
    for (size_t i = 0; spec->method != NULL && i < spec->method->n_params; i++) {
        pl_json_set(parameters, spec->method->params[i].name, parameter_json(spec, i));
    }
    pl_json_set(result, "parameters", parameters);
    pl_json_set(result, "on", glob != NULL ? json_string(glob) : json_null());
}

static size_t matching_layers(const pl_state *state, const char *glob)
{
    size_t count = 0;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        count += pl_model_layer_matches(state->source->model, i, glob);
    }
    return count;
}

static pl_status add_override(pl_state *state, pl_slot slot, const pl_spec *spec, const char *glob,
                              pl_error *err)
{
    if (matching_layers(state, glob) == 0) {
        return pl_error_set(err, PL_ERR_NOT_FOUND,
                            "method: on=%s matches no layer, expected a glob over names such as "
                            "*.down_proj",
                            glob);
    }
    /* The same glob and slot again replaces the earlier one. */
    size_t at = 0;
    for (size_t i = 0; i < state->n_overrides; i++) {
        pl_override *old = &state->overrides[i];
        if (old->slot == slot && strcmp(old->glob, glob) == 0) {
            free(old->glob);
        } else {
            state->overrides[at++] = *old;
        }
    }
    state->n_overrides = at;
    if (at == PL_MAX_OVERRIDES) {
        return pl_error_set(err, PL_ERR_USAGE, "method: more than %d settings with on=GLOB",
                            PL_MAX_OVERRIDES);
    }
    char *copy = strdup(glob);
    if (copy == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    state->overrides[state->n_overrides++] =
        (pl_override){.glob = copy, .slot = slot, .spec = *spec};
    return PL_OK;
}

/* A method for every layer also ends what on=GLOB had set in its slot. */
static void clear_overrides(pl_state *state, pl_slot slot)
{
    size_t at = 0;
    for (size_t i = 0; i < state->n_overrides; i++) {
        if (state->overrides[i].slot == slot) {
            free(state->overrides[i].glob);
        } else {
            state->overrides[at++] = state->overrides[i];
        }
    }
    state->n_overrides = at;
}

static pl_status unknown_method(const char *name, pl_error *err)
{
    pl_buf known = {0};
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        pl_buf_printf(&known, "%s, ", (*m)->name);
    }
    pl_status status =
        pl_error_set(err, PL_ERR_USAGE, "method: no method is named \"%s\", expected one of %snone",
                     name, known.data != NULL ? known.data : "");
    pl_buf_deinit(&known);
    return status;
}

pl_status pl_apply_method(pl_call *call, pl_state *state, pl_error *err)
{
    const char *name = call->words[0];
    const char *glob = pl_call_value(call, "on");
    pl_spec spec = {0};
    size_t slot = PL_SLOT_COUNT;
    pl_status status = pl_usage_choice(call, "slot", &slot, err);
    if (status != PL_OK) {
        return status;
    }
    if (strcmp(name, "none") == 0) {
        if (slot == PL_SLOT_COUNT) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "method none: needs slot=transform, precondition or round");
        }
    } else {
        const pl_method *method = pl_method_find(name);
        if (method == NULL) {
            return unknown_method(name, err);
        }
        if (slot != PL_SLOT_COUNT && slot != method->slot) {
            return pl_error_set(err, PL_ERR_USAGE, "method %s: fills the slot %s, not %s", name,
                                pl_slot_name(method->slot), pl_slot_name((pl_slot)slot));
        }
        slot = method->slot;
        spec = pl_spec_default(method);
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        if (strcmp(call->names[i], "on") != 0 && strcmp(call->names[i], "slot") != 0) {
            status = pl_spec_set(&spec, call->names[i], call->values[i], err);
            if (status != PL_OK) {
                return status;
            }
        }
    }
    if (glob != NULL) {
        status = add_override(state, (pl_slot)slot, &spec, glob, err);
    }
    if (status == PL_OK && spec.method != NULL) {
        pl_state_drop_suggestion(state);
    }
    if (status == PL_OK && glob == NULL) {
        clear_overrides(state, (pl_slot)slot);
        state->slots[slot] = spec;
    }
    state->suggested = state->suggested && status != PL_OK; /* `none` takes from what was there */
    if (status == PL_OK) {
        pl_state_drop_imports(state, glob); /* the method takes their place */
        put_method(call->result, (pl_slot)slot, &spec, glob);
    }
    return status;
}

static void put_report(json_t *result, const pl_solve_report *report)
{
    pl_json_set(result, "objective", pl_number(report->objective));
    pl_json_set(result, "gap", pl_number(report->gap));
    pl_json_set(result, "iterations",
                isfinite(report->iterations) ? json_integer((json_int_t)report->iterations)
                                             : json_null());
    pl_json_set(result, "relative_error", pl_number(report->relative_error));
    pl_json_set(result, "rounded_relative_error", pl_number(report->rounded_relative_error));
    pl_json_set(result, "sqnr", pl_number(pl_report_sqnr(report)));
    pl_json_set(result, "bits_per_weight", pl_number(report->bits_per_weight));
    pl_json_set(result, "bound", pl_number(report->bound));
    pl_json_set(result, "group_max_before", pl_number(report->group_max_before));
    pl_json_set(result, "group_max_after", pl_number(report->group_max_after));
    pl_json_set(result, "function_error", pl_number(report->function_error));
    pl_json_set(result, "condition", pl_number(report->condition));
    pl_json_set(result, "output_error", pl_number(report->output_error));
    pl_json_set(result, "flatness_before",
                json_pack("{s:o, s:o}", "weight", pl_number(report->flatness_weight_before),
                          "input", pl_number(report->flatness_input_before)));
    pl_json_set(result, "flatness_after",
                json_pack("{s:o, s:o}", "weight", pl_number(report->flatness_weight_after), "input",
                          pl_number(report->flatness_input_after)));
    pl_json_set(result, "kurtosis_before",
                json_pack("{s:o, s:o}", "weight", pl_number(report->kurtosis_weight_before),
                          "input", pl_number(report->kurtosis_input_before)));
    pl_json_set(result, "kurtosis_after",
                json_pack("{s:o, s:o}", "weight", pl_number(report->kurtosis_weight_after), "input",
                          pl_number(report->kurtosis_input_after)));
    pl_json_set(result, "ridge", pl_number(report->ridge));
    pl_json_set(result, "damping_used", pl_number(report->damping_used));
    pl_json_set(result, "seconds", pl_number(report->seconds));
}

static pl_status note_solved(pl_call *call, const pl_state *state, size_t layer, pl_id result,
                             bool sequential, const pl_solve_report *report)
{
    void *grown = realloc(call->solved, (call->n_solved + 1) * sizeof *call->solved);
    if (grown == NULL) {
        return PL_ERR_MEMORY;
    }
    call->solved = grown;
    call->solved[call->n_solved].layer = layer;
    call->solved[call->n_solved].plan =
        sequential ? pl_state_plan_sequential(state) : pl_state_plan(state, layer);
    call->solved[call->n_solved].sequential = sequential;
    call->solved[call->n_solved].result = result;
    call->solved[call->n_solved].gap = (float)report->gap;
    call->solved[call->n_solved].error =
        (float)(isfinite(report->rounded_relative_error) ? report->rounded_relative_error
                                                         : report->relative_error);
    call->n_solved++;
    return PL_OK;
}

pl_status pl_keep_result(pl_call *call, const pl_state *state, size_t layer, pl_id result,
                         const pl_solve_report *report, pl_error *err)
{
    return note_solved(call, state, layer, result, false, report) == PL_OK
               ? PL_OK
               : pl_error_set(err, PL_ERR_MEMORY, "out of memory");
}

typedef struct collector {
    pl_call *call;
    const pl_state *state;
    bool sequential;
    pl_status status;
} collector;

static void collect(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    collector *c = ctx;
    if (c->status == PL_OK) {
        c->status = note_solved(c->call, c->state, layer, result, c->sequential, report);
    }
}

/* Whose inputs the layers were solved on. */
static void put_inputs(json_t *result, bool sequential)
{
    json_object_set_new(result, "inputs",
                        json_string(sequential ? "of the solved model" : "of the original model"));
}

pl_status pl_note_solve(pl_call *call, const pl_state *state, size_t layer, pl_id result,
                        const pl_solve_report *report, pl_error *err)
{
    if (note_solved(call, state, layer, result, false, report) != PL_OK) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    pl_json_set(call->result, "layer",
                json_string(pl_model_layer(state->source->model, layer)->name));
    put_report(call->result, report);
    put_inputs(call->result, false);
    return PL_OK;
}

static pl_status solve_all(pl_call *call, const pl_state *state, pl_lab *lab, bool sequential,
                           pl_task *task, pl_error *err)
{
    pl_solve_report report;
    collector c = {.call = call, .state = state, .sequential = sequential};
    pl_status status = pl_solve_all(lab, state, sequential, collect, &c, &report, task, err);
    if (status == PL_OK && c.status != PL_OK) {
        status = pl_error_set(err, c.status, "out of memory");
    }
    if (status == PL_OK) {
        put_report(call->result, &report);
        put_inputs(call->result, sequential);
    }
    return status;
}

pl_status pl_run_solve(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                       pl_error *err)
{
    size_t choice = 0;
    const bool all = pl_call_is_of_all(call);
    const bool asked = pl_call_value(call, "sequential") != NULL;
    if (state->suggested) {
        pl_lab_warn(lab, "no method was named: solved with the default, astro, then gptq");
    }
    pl_status status = pl_usage_choice(call, "sequential", &choice, err);
    if (status == PL_OK && asked && choice == 0 && !all) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "solve: sequential=yes goes with `all`, since every layer's inputs "
                              "come from the layers before it");
    }
    if (status != PL_OK) {
        return status;
    }
    if (all) {
        return solve_all(call, state, lab, asked ? choice == 0 : pl_solve_runs_in_sequence(state),
                         task, err);
    }
    pl_solve_report report;
    size_t layer = 0;
    pl_id result = {0};
    status = pl_target_layer(call, state, 0, &layer, err);
    if (status == PL_OK) {
        status = pl_solve_layer(lab, state, layer, &report, &result, task, err);
    }
    return status == PL_OK ? pl_note_solve(call, state, layer, result, &report, err) : status;
}

pl_status pl_apply_solve(pl_call *call, pl_state *state, pl_error *err)
{
    for (size_t i = 0; i < call->n_solved; i++) {
        pl_status status = pl_state_set_result(state, call->solved[i].layer, call->solved[i].plan,
                                               call->solved[i].result, err);
        if (status != PL_OK) {
            return status;
        }
        state->solved[call->solved[i].layer].sequential =
            call->solved[i].sequential && !pl_state_is_imported(state, call->solved[i].layer);
    }
    return PL_OK;
}
