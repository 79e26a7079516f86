#include "app/report.h"

#include "core/state/record.h"

#include "core/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void pl_put_token_context(json_t *line, const pl_token_context *context, size_t position)
{
    size_t window = 0, at = 0;
    pl_buf words = {0};
    if (context->tokens == NULL) {
        return;
    }
    const bool known = pl_token_context_window(context, position, &window, &at);
    pl_token_context_words(context, position, &words);
    pl_json_set(line, "window", known ? json_integer((json_int_t)window) : json_null());
    pl_json_set(line, "window_position", known ? json_integer((json_int_t)at) : json_null());
    pl_json_set(line, "context",
                known && words.data != NULL ? json_string(words.data) : json_null());
    pl_buf_deinit(&words);
}

void pl_format_digits(double value, int digits, char *out, size_t capacity)
{
    const int behind = digits - 1 - (int)floor(log10(fabs(value)));
    const double unit = pow(10.0, -behind);
    snprintf(out, capacity, "%.*f", behind > 0 ? behind : 0,
             behind < 0 ? rint(value / unit) * unit : value);
}

int pl_perplexity_digits(const pl_call *call)
{
    const json_t *digits = json_object_get(json_object_get(call->result, "spread"), "digits");
    return json_is_integer(digits) ? (int)json_integer_value(digits) : 5;
}

void pl_put_solve(json_t *result, const pl_solve_report *report, bool sequential)
{
    pl_json_set(result, "objective", pl_json_number(report->objective));
    pl_json_set(result, "gap", pl_json_number(report->gap));
    pl_json_set(result, "iterations",
                isfinite(report->iterations) ? json_integer((json_int_t)report->iterations)
                                             : json_null());
    pl_json_set(result, "relative_error", pl_json_number(report->relative_error));
    pl_json_set(result, "rounded_relative_error", pl_json_number(report->rounded_relative_error));
    pl_json_set(result, "sqnr", pl_json_number(pl_report_sqnr(report)));
    pl_json_set(result, "bits_per_weight", pl_json_number(report->bits_per_weight));
    pl_json_set(result, "bound", pl_json_number(report->bound));
    pl_json_set(result, "group_max_before", pl_json_number(report->group_max_before));
    pl_json_set(result, "group_max_after", pl_json_number(report->group_max_after));
    pl_json_set(result, "function_error", pl_json_number(report->function_error));
    pl_json_set(result, "condition", pl_json_number(report->condition));
    pl_json_set(result, "output_error", pl_json_number(report->output_error));
    pl_json_set(result, "least_rounded_error", pl_json_number(report->least_rounded_error));
    pl_json_set(result, "times_least", pl_json_number(pl_report_times_least(report)));
    pl_json_set(result, "original_output_error", pl_json_number(report->original_output_error));
    pl_json_set(result, "flatness_before",
                json_pack("{s:o, s:o}", "weight", pl_json_number(report->flatness_weight_before),
                          "input", pl_json_number(report->flatness_input_before)));
    pl_json_set(result, "flatness_after",
                json_pack("{s:o, s:o}", "weight", pl_json_number(report->flatness_weight_after),
                          "input", pl_json_number(report->flatness_input_after)));
    pl_json_set(result, "kurtosis_before",
                json_pack("{s:o, s:o}", "weight", pl_json_number(report->kurtosis_weight_before),
                          "input", pl_json_number(report->kurtosis_input_before)));
    pl_json_set(result, "kurtosis_after",
                json_pack("{s:o, s:o}", "weight", pl_json_number(report->kurtosis_weight_after),
                          "input", pl_json_number(report->kurtosis_input_after)));
    for (size_t i = 0; pl_told(i) != NULL; i++) {
        const double value = report->told[i];
        pl_json_set(result, pl_told(i)->name,
                    pl_told(i)->whole && isfinite(value) ? json_integer((json_int_t)value)
                                                         : pl_json_number(value));
    }
    pl_json_set(result, "seconds", pl_json_number(report->seconds));
    /* Without inputs the relative error is not known, and else never unknown. */
    pl_json_set(result, "inputs",
                json_string(isnan(report->relative_error) ? "none: errors need a calibration"
                            : sequential                  ? "of the solved model"
                                                          : "of the original model"));
}

pl_status pl_note_result(pl_call *call, const pl_state *state, size_t layer, pl_id result,
                         bool sequential, const pl_solve_report *report, pl_error *err)
{
    void *grown = realloc(call->solved, (call->n_solved + 1) * sizeof *call->solved);
    if (grown == NULL) {
        return pl_error_memory(err, "a result");
    }
    call->solved = grown;
    call->solved[call->n_solved].layer = layer;
    call->solved[call->n_solved].plan =
        sequential ? pl_state_plan_sequential(state) : pl_state_plan(state, layer);
    call->solved[call->n_solved].sequential = sequential;
    call->solved[call->n_solved].result = result;
    call->solved[call->n_solved].report = *report;
    call->solved[call->n_solved].spec = (pl_spec){0};
    call->n_solved++;
    pl_record_solved(state, layer, sequential, result);
    return PL_OK;
}

void pl_collect_result(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    pl_collector *c = ctx;
    if (c->status == PL_OK) {
        c->status = pl_note_result(c->call, c->state, layer, result, c->sequential, report, c->err);
    }
}

pl_status pl_note_solve(pl_call *call, const pl_state *state, size_t layer, pl_id result,
                        const pl_solve_report *report, pl_error *err)
{
    pl_status status = pl_note_result(call, state, layer, result, false, report, err);
    if (status == PL_OK) {
        pl_json_set(call->result, "layer",
                    json_string(pl_model_layer(state->source->model, layer)->name));
        pl_put_solve(call->result, report, false);
    }
    return status;
}
