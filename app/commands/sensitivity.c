/* sensitivity: what each layer, role, block or input costs the model when it is quantized. */
#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/study/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MODE_ONLY, MODE_WITHOUT, MODE_ESTIMATE };

static pl_status read_asked(const pl_call *call, const pl_state *state, pl_sensitivity *out,
                            pl_error *err)
{
    size_t unit = 0, mode = 0, protocol = 0;
    *out = (pl_sensitivity){0};
    pl_status status = pl_usage_choice(call, "unit", &unit, err);
    PL_THEN(pl_usage_choice(call, "mode", &mode, err));
    PL_THEN(pl_usage_choice(call, "protocol", &protocol, err));
    PL_THEN(pl_usage_size(call, "length", 2, 1u << 20, &out->text.length, err));
    PL_THEN(pl_usage_size(call, "windows", 0, 1u << 20, &out->text.windows, err));
    PL_THEN(pl_check_length(call, state, out->text.length, err));
    PL_THEN(pl_usage_size(call, "probes", 1, 1u << 20, &out->probes, err));
    out->probes = mode == MODE_ESTIMATE ? out->probes : 0;
    out->unit = (pl_unit)unit;
    out->without = mode == MODE_WITHOUT;
    out->text.protocol = (pl_ppl_protocol)protocol;
    out->glob = call->n_words > 0 && !pl_call_is_of_all(call) ? call->words[0] : NULL;
    return status;
}

static void put_loss(json_t *line, const pl_loss *loss)
{
    pl_json_set(line, "kl", pl_json_number(loss->kl));
    pl_json_set(line, "kl_max", pl_json_number(loss->kl_max));
    pl_json_set(line, "perplexity", pl_json_number(loss->perplexity));
    pl_json_set(line, "perplexity_error", pl_json_number(loss->perplexity_error));
    pl_json_set(line, "top1_agreement", pl_json_number(loss->agreement));
}

static json_t *units_json(const pl_sensitivities *found)
{
    json_t *list = json_array();
    for (size_t i = 0; i < found->count; i++) {
        const pl_unit_loss *u = &found->units[i];
        json_t *line = json_object();
        pl_json_set(line, "unit", json_string(u->name));
        pl_json_set(line, "block",
                    u->block != SIZE_MAX ? json_integer((json_int_t)u->block) : json_null());
        pl_json_set(line, "layers", json_integer((json_int_t)u->layers));
        put_loss(line, &u->loss);
        if (!isnan(u->estimate)) {
            pl_json_set(line, "kl_estimate", pl_json_number(u->estimate));
        }
        pl_json_append(list, line);
    }
    return list;
}

/* Which score of a layer ranks the layers as their measured loss does. */
static pl_status put_correlations(pl_call *call, pl_context cx, const pl_sensitivities *found,
                                  pl_error *err)
{
    const size_t n = pl_model_layer_count(cx.state->source->model);
    pl_layer_row *rows = calloc(n + 1, sizeof *rows);
    double *values = pl_alloc(2 * (n + 1), sizeof *values);
    json_t *out = json_object();
    pl_json_set(call->result, "rank_correlation", out);
    pl_status status = rows == NULL || values == NULL ? pl_error_memory(err, "a result")
                                                      : pl_layer_rows(cx, 0, n, rows, err);
    for (pl_column c = 0; status == PL_OK && c < PL_COLUMN_COUNT; c++) {
        double rho = 0.0;
        if (c == PL_COLUMN_KL || c == PL_COLUMN_SECONDS || c == PL_COLUMN_BITS) {
            continue;
        }
        for (size_t i = 0; i < found->count; i++) {
            const size_t layer = found->units[i].layer;
            const double measured = found->units[i].loss.kl;
            const pl_id *now = pl_state_result(cx.state, layer);
            values[i] =
                isnan(measured) ? pl_layer_number(&rows[layer], PL_COLUMN_KL, now) : measured;
            values[found->count + i] = pl_layer_number(&rows[layer], c, now);
        }
        status = pl_rank_correlation(values, values + found->count, found->count, &rho, err);
        pl_json_set(out, pl_columns[c].name, pl_json_number(rho));
    }
    free(rows);
    free(values);
    return status;
}

static pl_status put_found(pl_call *call, pl_context cx, const pl_sensitivity *asked,
                           const pl_sensitivities *found, pl_error *err)
{
    json_t *out = call->result, *together = json_object();
    size_t known = 0;
    for (size_t i = 0; i < found->count; i++) {
        known += found->units[i].found;
    }
    pl_json_set(out, "mode", json_string(pl_usage_text(call, "mode")));
    pl_json_set(out, "unit", json_string(pl_usage_text(call, "unit")));
    pl_json_set(out, "original_perplexity", pl_json_number(found->original));
    pl_json_set(out, "original_error", pl_json_number(found->original_error));
    pl_json_set(out, "tokens", json_integer((json_int_t)found->tokens));
    pl_json_set(out, "windows", json_integer((json_int_t)found->windows));
    pl_json_set(out, "measured", json_integer((json_int_t)(found->count - known)));
    pl_json_set(out, "from_store", json_integer((json_int_t)known));
    pl_json_set(out, "not_solved", json_integer((json_int_t)found->unsolved));
    put_loss(together, &found->together);
    pl_json_set(out, "together", together);
    json_t *units = units_json(found);
    pl_json_set(out, "units", units);
    pl_status status =
        asked->unit == PL_UNIT_LAYER ? put_correlations(call, cx, found, err) : PL_OK;
    PL_THEN(pl_rows_write(call, cx.state, units, cx.task, err));
    return status;
}

/* The command as a figure's file has it: texts by their last names. */
static pl_status put_said(const pl_call *call, const pl_sensitivity *asked, pl_buf *out,
                          pl_error *err)
{
    pl_buf_puts(out, "sensitivity");
    if (asked->glob != NULL) {
        pl_buf_puts(out, " ");
        pl_command_quote(asked->glob, out);
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        if (strcmp(call->names[i], "text") == 0) {
            pl_buf_puts(out, " text=");
            pl_command_quote(pl_path_name(call->values[i]), out);
        }
    }
    pl_buf_printf(out, " protocol=%s length=%zu windows=%zu", pl_usage_text(call, "protocol"),
                  asked->text.length, asked->text.windows);
    if (asked->probes > 0) {
        pl_buf_printf(out, " mode=estimate probes=%zu", asked->probes);
    }
    return pl_buf_check(out, err);
}

static pl_status run_sensitivity(pl_call *call, pl_context cx, pl_error *err)
{
    const double start = pl_clock_now();
    pl_sensitivity asked;
    pl_sensitivities found = {0};
    pl_buf said = {0};
    pl_tokens text = {0};
    pl_status status = pl_model_need_forward(cx.state->source->model, "sensitivity", err);
    PL_THEN(pl_rows_check_file(call, err));
    PL_THEN(read_asked(call, cx.state, &asked, err));
    PL_THEN(pl_state_check_origin(cx.state, false, err));
    PL_THEN(pl_read_text(call, cx, &text, err));
    PL_THEN(put_said(call, &asked, &said, err));
    asked.said = said.data;
    PL_THEN(asked.probes > 0
                ? pl_sensitivity_estimate(cx, &asked, text.ids, text.count, &found, err)
                : pl_sensitivity_run(cx, &asked, text.ids, text.count, &found, err));
    PL_THEN(put_found(call, cx, &asked, &found, err));
    pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
    pl_sensitivities_deinit(&found);
    pl_buf_deinit(&said);
    pl_tokens_deinit(&text);
    return status;
}

/* Measured, else estimated. */
static double cost_of_line(const json_t *line)
{
    const json_t *kl = json_object_get(line, "kl");
    return json_number_value(json_is_number(kl) ? kl : json_object_get(line, "kl_estimate"));
}

static int compare_costs(const void *a, const void *b)
{
    const double x = cost_of_line(*(json_t *const *)a), y = cost_of_line(*(json_t *const *)b);
    return (x < y) - (x > y);
}

/* The costliest units, the first of them first. */
static json_t *costliest(const json_t *units)
{
    const size_t n = json_array_size(units);
    json_t **sorted = calloc(n + 1, sizeof(json_t *));
    json_t *list = json_array();
    for (size_t i = 0; sorted != NULL && i < n; i++) {
        sorted[i] = json_array_get(units, i);
    }
    if (sorted != NULL) {
        qsort(sorted, n, sizeof(json_t *), compare_costs);
    }
    for (size_t i = 0; sorted != NULL && i < n && i < PL_UNITS_SHOWN; i++) {
        pl_json_append(list, json_incref(sorted[i]));
    }
    free(sorted);
    return list;
}

static void put_sensitivity(const pl_call *call, pl_buf *out)
{
    json_t *list = costliest(json_object_get(call->result, "units"));
    pl_put_units_text(call, list, "that cost less", out);
}

/* "3.v_proj costs most, KL 0.0108; of the scores rounded_error ranks them best, 0.68". */
static void put_sensitivity_line(const pl_call *call, pl_buf *out)
{
    json_t *list = costliest(json_object_get(call->result, "units"));
    const json_t *first = json_array_get(list, 0);
    const char *unit = json_string_value(json_object_get(first, "unit")), *key = NULL;
    const char *best = NULL;
    double most = 0.0;
    json_t *rho = NULL;
    if (unit != NULL) {
        pl_buf_printf(out, "%s costs most, KL %.3g", unit, cost_of_line(first));
    }
    json_object_foreach(json_object_get(call->result, "rank_correlation"), key, rho)
    {
        if (fabs(json_number_value(rho)) > most) {
            most = fabs(json_number_value(rho));
            best = key;
        }
    }
    if (best != NULL) {
        pl_buf_printf(out, "; %s ranks them best, %.2f", best, most);
    }
    json_decref(list);
}

static void follow_sensitivity(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK) {
        pl_screen_follow_scores(screen);
    }
}

static const pl_key sensitivity_keys[] = {
    {"unit", PL_KEY_CHOICE, "layer", PL_UNIT_CHOICES, "what is quantized at a time"},
    {"mode", PL_KEY_CHOICE, "only", "only|without|estimate",
     "the unit alone is quantized, or everything but it; estimate: only its own blocks run"},
    {"probes", PL_KEY_INT, "4", NULL, "of mode=estimate: blocks that are measured, for its scale"},
    {"text", PL_KEY_FILES, NULL, NULL, "the text to score; may be given again"},
    {"protocol", PL_KEY_CHOICE, "gptq", "gptq|llama.cpp", "which targets are scored"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "4", NULL, "how many windows; 0: all the text has"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "also as a table: .csv or .tex"},
    {0},
};

const pl_command pl_command_sensitivity = {
    .name = "sensitivity",
    .positional = "[LAYER|all]",
    .max_words = 1,
    .keys = sensitivity_keys,
    .needs_model = true,
    .summary = "Measure what each layer (or role, block, input) costs the model: KL and perplexity",
    .run = run_sensitivity,
    .least = "block layers kl_max perplexity_error top1_agreement",
    .put_text = put_sensitivity,
    .put_line = put_sensitivity_line,
    .slow = pl_slow_always,
    .unit = "units",
    .rebuild = PL_REBUILD_TEXTS,
    .follow = follow_sensitivity,
};
