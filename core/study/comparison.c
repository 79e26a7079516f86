#include "core/study/comparison.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/lab/online.h"
#include "core/lab/quantized.h"
#include "core/state/record.h"
#include "core/study/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char SCORES[] = "scores";
static const char ROWS[] = "comparison";

void pl_compared_deinit(pl_compared *compared)
{
    free(compared->tokens);
    *compared = (pl_compared){0};
}

/* --- statistics ------------------------------------------------------------------------------- */

/* Mean and standard error of windows that are as good as drawn apart; means[windows]. */
static void of_window_means(const double *means, size_t windows, double *mean, double *error)
{
    double sum = 0.0, squares = 0.0;
    const double n = (double)windows;
    for (size_t w = 0; w < windows; w++) {
        sum += means[w];
    }
    *mean = sum / n;
    for (size_t w = 0; w < windows; w++) {
        squares += (means[w] - *mean) * (means[w] - *mean);
    }
    *error = windows > 1 ? sqrt(squares / (n - 1.0) / n) : (double)NAN;
}

static void of_tokens(const pl_token_score *a, const pl_token_score *b, bool kl, size_t windows,
                      size_t targets, double *mean, double *error)
{
    double *means = pl_alloc(windows, sizeof *means);
    *mean = *error = (double)NAN;
    for (size_t w = 0; means != NULL && w < windows; w++) {
        double sum = 0.0;
        for (size_t i = w * targets; i < (w + 1) * targets; i++) {
            sum += kl ? b[i].kl : b[i].nll - (a != NULL ? a[i].nll : 0.0);
        }
        means[w] = sum / (double)targets;
    }
    if (means != NULL) {
        of_window_means(means, windows, mean, error);
    }
    free(means);
}

void pl_paired_difference(const pl_token_score *a, const pl_token_score *b, size_t windows,
                          size_t targets, double *mean, double *error)
{
    of_tokens(a, b, false, windows, targets, mean, error);
}

void pl_clustered_kl(const pl_token_score *scores, size_t windows, size_t targets, double *mean,
                     double *error)
{
    of_tokens(NULL, scores, true, windows, targets, mean, error);
}

/* --- solving ---------------------------------------------------------------------------------- */

typedef struct solving {
    pl_state *row;
    bool sequential;
    pl_status status;
    pl_error *err;
} solving;

static void take_result(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    solving *s = ctx;
    (void)report;
    if (s->status == PL_OK) {
        s->status = pl_state_take_result(s->row, layer, s->sequential, result, s->err);
    }
}

static void note_worst(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    pl_compared *out = ctx;
    (void)result;
    if (isfinite(report->rounded_relative_error) &&
        (out->worst == SIZE_MAX || report->rounded_relative_error > out->worst_error)) {
        out->worst = layer;
        out->worst_error = report->rounded_relative_error;
    }
}

static pl_status solve_row(pl_lab *lab, pl_state *row, bool sequential, pl_compared *out,
                           pl_task *task, pl_error *err)
{
    pl_solve_report total;
    solving s = {
        .row = row, .sequential = sequential && pl_solve_runs_in_sequence(row), .err = err};
    /* Results of before may be of single layers: this solve gives each layer its own again. */
    for (size_t i = 0; i < pl_model_layer_count(row->source->model); i++) {
        row->solved[i].set = row->solved[i].set && pl_state_is_imported(row, i);
    }
    pl_status status =
        pl_solve_all((pl_context){lab, row, task}, s.sequential, take_result, &s, &total, err);
    PL_THEN(s.status);
    PL_THEN(pl_solved_all((pl_context){lab, row, task}, note_worst, out, &out->total, &out->layers,
                          err));
    return status;
}

/* --- what it takes to run --------------------------------------------------------------------- */

static pl_status add_online(pl_lab *lab, const pl_state *row, pl_compared *out, pl_task *task,
                            pl_error *err)
{
    const pl_model *model = row->source->model;
    double flops = 0.0, all = 0.0;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_site_count(model); i++) {
        const pl_site *site = pl_model_site(model, i);
        const size_t layer = site->layers[0];
        const pl_spec *spec = pl_state_spec(row, layer, PL_SLOT_TRANSFORM);
        pl_transform *t = NULL;
        pl_id key = {0}, calibration = {0};
        for (size_t k = 0; k < site->n_layers; k++) {
            const pl_layer *info = pl_model_layer(model, site->layers[k]);
            all += 2.0 * (double)info->rows * (double)info->cols;
        }
        if (spec->method == NULL || pl_state_result(row, layer) == NULL) {
            continue;
        }
        status = pl_lab_find_calibration((pl_context){lab, row, task},
                                         !pl_solve_is_blind(row, layer), &calibration, err);
        PL_THEN(pl_site_transform((pl_context){lab, row, task}, calibration, layer, spec, &t, &key,
                                  err));
        if (t != NULL) {
            const pl_online online = pl_site_online(row, site, t);
            out->online += online.online;
            flops += online.flops;
        }
        pl_transform_destroy(t);
    }
    out->online_share = flops / all;
    return status;
}

/* 16 bits for all that no rounder has quantized. */
static void add_bytes(const pl_state *row, pl_compared *out)
{
    const pl_model *model = row->source->model;
    double rounded = 0.0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *info = pl_model_layer(model, i);
        if (pl_state_result(row, i) != NULL &&
            pl_state_spec(row, i, PL_SLOT_ROUND)->method != NULL) {
            rounded += (double)info->rows * (double)info->cols;
        }
    }
    out->bytes = 2.0 * ((double)pl_model_parameters(model) - rounded) +
                 (rounded > 0.0 ? rounded * out->total.bits_per_weight / 8.0 : 0.0);
}

/* --- scores ----------------------------------------------------------------------------------- */

static pl_status scores_key(const pl_state *row, const int32_t *ids, size_t count,
                            const pl_ppl_spec *spec, pl_id *out, pl_task *task, pl_error *err)
{
    pl_model *model = row->source->model;
    pl_hasher *hasher = NULL;
    pl_status status = pl_measured_begin("planish scores 1", model, &hasher, task, err);
    if (status != PL_OK) {
        return status;
    }
    pl_measured_text(hasher, model, ids, count, spec);
    pl_measured_results(hasher, row);
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

static bool read_compared_scores(pl_store *store, pl_id key, pl_compared *out, size_t windows)
{
    pl_entry *entry = NULL;
    const size_t bytes = windows * out->targets * sizeof *out->tokens;
    pl_status status = pl_store_get(store, SCORES, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, "sums", &out->scores, sizeof out->scores, NULL));
    PL_THEN(pl_entry_read(entry, "tokens", out->tokens, bytes, NULL));
    pl_entry_close(entry);
    bool good = status == PL_OK && isfinite(out->scores.perplexity) &&
                out->scores.windows == windows && out->scores.tokens == windows * out->targets;
    for (size_t i = 0; good && i < windows * out->targets; i++) {
        good = isfinite(out->tokens[i].nll) && isfinite(out->tokens[i].kl);
    }
    return good;
}

static pl_status write_scores(pl_store *store, pl_id key, const pl_compared *c, pl_error *err)
{
    const pl_section sections[] = {
        {"sums", &c->scores, sizeof c->scores},
        {"tokens", c->tokens, c->scores.tokens * sizeof *c->tokens},
    };
    json_t *about = json_pack("{s:s, s:s, s:f, s:s}", "holds",
                              "what every token of a text scores under a setting", "tokens",
                              "nll and KL divergence, float64, by window", "perplexity",
                              c->scores.perplexity, "version", PL_VERSION);
    pl_status status = about != NULL ? pl_store_replace(store, SCORES, key, about, sections, 2, err)
                                     : pl_error_memory(err, "scores");
    json_decref(about);
    return status;
}

static pl_status score_row(pl_lab *lab, const pl_state *row, const int32_t *ids, size_t count,
                           const pl_ppl_spec *spec, pl_compared *out, pl_task *task, pl_error *err)
{
    pl_model *model = row->source->model;
    pl_id key = {0};
    size_t windows = 0;
    pl_ppl_spec own = *spec;
    pl_status status = pl_perplexity_size(model, ids, count, spec, &windows, &out->targets, err);
    PL_THEN(scores_key(row, ids, count, spec, &key, task, err));
    if (status != PL_OK) {
        return status;
    }
    out->tokens = pl_alloc(windows * out->targets, sizeof *out->tokens);
    if (out->tokens == NULL) {
        return pl_error_memory(err, "the scores of %zu windows", windows);
    }
    out->found = read_compared_scores(pl_lab_store(lab), key, out, windows);
    if (out->found) {
        return PL_OK;
    }
    pl_quantized quantized;
    pl_hooks hooks;
    own.tokens = out->tokens;
    own.spread = 0;
    own.memory_limit = pl_lab_memory_limit(lab);
    status =
        pl_quantized_init(&quantized, (pl_context){lab, row, task}, PL_WHICH_AFTER, &hooks, err);
    PL_THEN(pl_perplexity(model, ids, count, &own, &hooks, true, &out->scores, task, err));
    pl_quantized_deinit(&quantized);
    /* An infinite perplexity is a finding, but not one to be trusted from a file. */
    return status == PL_OK && isfinite(out->scores.perplexity)
               ? write_scores(pl_lab_store(lab), key, out, err)
               : status;
}

pl_status pl_compare_setting(pl_lab *lab, pl_state *row, const int32_t *ids, size_t count,
                             const pl_ppl_spec *spec, bool sequential, pl_compared *out,
                             pl_task *task, pl_error *err)
{
    *out = (pl_compared){.worst = SIZE_MAX, .worst_error = (double)NAN};
    pl_status status = solve_row(lab, row, sequential, out, task, err);
    PL_THEN(score_row(lab, row, ids, count, spec, out, task, err));
    PL_THEN(add_online(lab, row, out, task, err));
    if (status != PL_OK) {
        pl_compared_deinit(out);
        return status;
    }
    add_bytes(row, out);
    return PL_OK;
}

/* --- by a pool ------------------------------------------------------------------------------- */

static pl_status run_row(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    const pl_ppl_spec spec = {.protocol = (pl_ppl_protocol)pl_pool_read_size(what, "protocol"),
                              .length = pl_pool_read_size(what, "length"),
                              .windows = pl_pool_read_size(what, "windows")};
    pl_state row;
    pl_compared found = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    pl_status status =
        pl_state_restore(&row, json_object_get(what, "state"), cx.state->source, err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_pool_get_tokens(cx.lab, pl_pool_read_id(what, "tokens"), &ids, &count, err);
    PL_THEN(pl_compare_setting(cx.lab, &row, ids, count, &spec,
                               json_is_true(json_object_get(what, "sequential")), &found, cx.task,
                               err));
    pl_json_set(answer, "found", json_boolean(found.found));
    pl_compared_deinit(&found);
    pl_state_deinit(&row);
    free(ids);
    return status;
}

const pl_unit_kind pl_unit_compare = {.name = "compare", .counting = "settings", .run = run_row};

pl_status pl_compare_in_units(pl_context cx, const pl_state *const *rows, size_t n,
                              const int32_t *ids, size_t count, const pl_ppl_spec *spec,
                              bool sequential, bool *made, pl_error *err)
{
    pl_id tokens = {0}, key = {0};
    if (pl_pool_workers(cx.lab) < 2 || n < 2) {
        return PL_OK;
    }
    /* The demo calibrates itself: once, and by all. */
    pl_status status = pl_lab_find_calibration(cx, true, &key, err);
    PL_THEN(pl_pool_put_tokens(cx.lab, ids, count, &tokens, err));
    if (status != PL_OK) {
        return status == PL_ERR_STATE ? PL_OK : status; /* blind methods need none */
    }
    pl_units units = {.kind = &pl_unit_compare, .list = json_array(), .total = (double)n};
    for (size_t i = 0; i < n; i++) {
        pl_json_append(units.list,
                       json_pack("{s:o, s:o, s:i, s:I, s:I, s:b}", "state",
                                 pl_state_to_json(rows[i]), "tokens", pl_pool_id(tokens),
                                 "protocol", (int)spec->protocol, "length",
                                 (json_int_t)spec->length, "windows", (json_int_t)spec->windows,
                                 "sequential", (int)sequential));
    }
    status = pl_pool_run(cx, &units, err);
    pl_pool_drop_bytes(cx.lab, tokens);
    for (size_t i = 0; i < n; i++) {
        made[i] = json_is_false(json_object_get(json_array_get(units.answers, i), "found"));
    }
    json_decref(units.answers);
    return status;
}

/* --- rows ------------------------------------------------------------------------------------- */

pl_status pl_comparison_keep(pl_lab *lab, const pl_state *state, pl_id key, json_t *rows,
                             const char *commands, pl_error *err)
{
    json_t *about = json_pack("{s:s, s:s, s:s, s:O}", "holds", "settings compared on one text",
                              "version", PL_VERSION, "commands", commands, "rows", rows);
    pl_status status = about != NULL
                           ? pl_store_replace(pl_lab_store(lab), ROWS, key, about, NULL, 0, err)
                           : pl_error_memory(err, "a comparison");
    json_decref(about);
    if (status == PL_OK) {
        pl_record_set_comparison(state->source, key);
    }
    return status;
}

pl_status pl_comparison_load(pl_lab *lab, const pl_state *state, const char *who, json_t **rows,
                             pl_buf *commands, pl_error *err)
{
    pl_id key = {0};
    size_t changes = 0;
    pl_entry *entry = NULL;
    *rows = NULL;
    if (!pl_record_comparison(state->source, &key, &changes)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: nothing was compared yet: e.g. `compare \"gptq bits={3,4}\" "
                            "\"hadamard; gptq bits={3,4}\" windows=20`",
                            who);
    }
    if (pl_store_get(pl_lab_store(lab), ROWS, key, &entry, NULL) == PL_OK) {
        const json_t *about = pl_entry_about(entry);
        const char *said = json_string_value(json_object_get(about, "commands"));
        json_t *list = json_object_get(about, "rows");
        if (said != NULL && json_array_size(list) == 0) {
            pl_entry_close(entry);
            return pl_error_set(err, PL_ERR_STATE, "%s: no setting is measured yet", who);
        }
        if (said != NULL) {
            *rows = json_deep_copy(list);
            if (commands != NULL) {
                pl_buf_puts(commands, said);
            }
        }
    }
    pl_entry_close(entry);
    return *rows != NULL ? PL_OK
                         : pl_error_set(err, PL_ERR_STATE,
                                        "%s: the rows of the last comparison are no longer in the "
                                        "store: `compare` again",
                                        who);
}
