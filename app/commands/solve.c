/* solve: the methods applied to a layer, or to all. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/study/layer_table.h"

/* What each layer was solved to: the columns of `layers` that are of a solution. */
static void put_layers(pl_call *call, const pl_state *state)
{
    json_t *list = json_array();
    pl_json_set(call->result, "layers", list);
    for (size_t i = 0; i < call->n_solved; i++) {
        pl_layer_row row = pl_layer_row_empty();
        json_t *line = json_object();
        pl_layer_row_solved(&row, call->solved[i].result, &call->solved[i].report);
        pl_json_set(line, "name",
                    json_string(pl_model_layer(state->source->model, call->solved[i].layer)->name));
        for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
            if (pl_columns[c].source == PL_OF_SOLUTION) {
                pl_json_set(line, pl_columns[c].name, pl_json_number(row.number[c]));
            }
        }
        pl_json_append(list, line);
    }
}

/* A person asks `layers` for the list. */
static void put_solve_text(const pl_call *call, pl_buf *out)
{
    json_t *shown = json_copy(call->result);
    json_object_del(shown, "layers");
    pl_result_object(shown, out);
    json_decref(shown);
}

static pl_status solve_all(pl_call *call, pl_context cx, bool sequential, pl_error *err)
{
    pl_solve_report report;
    pl_collector c = {.call = call, .state = cx.state, .sequential = sequential, .err = err};
    pl_status status = pl_solve_all(cx, sequential, pl_collect_result, &c, &report, err);
    if (status == PL_OK && c.status == PL_OK) {
        pl_put_solve(call->result, &report, sequential);
        put_layers(call, cx.state);
    }
    return status == PL_OK ? c.status : status;
}

static pl_status run_solve(pl_call *call, pl_context cx, pl_error *err)
{
    size_t choice = 0;
    const bool all = pl_call_is_of_all(call);
    const bool asked = pl_call_value(call, "sequential") != NULL;
    if (cx.state->suggested) {
        pl_lab_warn(cx.lab, "no method was named: solved with the default, astro, then gptq");
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
        return solve_all(call, cx, asked ? choice == 0 : pl_solve_runs_in_sequence(cx.state), err);
    }
    pl_solve_report report;
    size_t layer = 0;
    pl_id result = {0};
    status = pl_target_layer(call, cx.state, 0, &layer, err);
    PL_THEN(pl_solve_layer(cx, layer, &report, &result, err));
    return status == PL_OK ? pl_note_solve(call, cx.state, layer, result, &report, err) : status;
}

/* A result of methods that have been changed meanwhile does not take the place of one of the
 * present methods. */
static bool is_late(const pl_call *call, size_t i, const pl_state *state)
{
    const size_t layer = call->solved[i].layer;
    return pl_state_result(state, layer) != NULL &&
           !pl_id_equal(call->solved[i].plan, pl_state_plan(state, layer)) &&
           !pl_id_equal(call->solved[i].plan, pl_state_plan_sequential(state));
}

static pl_status apply_solve(pl_call *call, pl_state *state, pl_error *err)
{
    for (size_t i = 0; i < call->n_solved; i++) {
        if (is_late(call, i, state)) {
            continue;
        }
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

static const pl_key solve_keys[] = {
    {"sequential", PL_KEY_CHOICE, "yes", "yes|no",
     "with `all`: each layer on inputs from the layers solved before it, or on the original's"},
    {0},
};

const pl_command pl_command_solve = {
    .name = "solve",
    .positional = "[LAYER|all]",
    .max_words = 1,
    .keys = solve_keys,
    .needs_model = true,
    .summary = "Apply the methods to the selected layer, another, or all",
    .put_line = pl_line_solve,
    .run = run_solve,
    .apply = apply_solve,
    .put_text = put_solve_text,
    .slow = pl_call_is_of_all,
    .unit = "layers",
    .keeps = true,
    .learns = true,
    .history = PL_HISTORY_NONE,
    .rebuild = PL_REBUILD_RUN,
    .tour = PL_TOUR_SOLVE,
};
