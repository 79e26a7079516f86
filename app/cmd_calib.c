/* calibrate, outliers, perplexity, probe. */
#include "app/handlers.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/metrics/perplexity.h"
#include "core/model/bare.h"
#include "core/run/import.h"
#include "core/run/picture.h"
#include "core/run/quantized.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* What the command asks for, as a calibration; `run` and `apply` read it alike. */
static pl_status asked_calibration(const pl_call *call, const pl_state *state, pl_calibration *out,
                                   pl_error *err)
{
    *out = (pl_calibration){0};
    const char *files[PL_MAX_TEXTS];
    size_t count = 0;
    size_t sample = PL_SAMPLE_FIRST;
    size_t seed = 0;
    char *owned = NULL;
    pl_protocol protocol = {0};
    pl_status status = pl_model_need_forward(state->source->model, "calibrate", err);
    if (status == PL_OK) {
        status = pl_usage_size(call, "length", 2, 1u << 20, &protocol.length, err);
    }
    if (status == PL_OK) {
        status = pl_usage_size(call, "windows", 1, 1u << 20, &protocol.windows, err);
    }
    if (status == PL_OK) {
        status = pl_usage_choice(call, "sample", &sample, err);
    }
    if (status == PL_OK) {
        status = pl_usage_size(call, "seed", 0, SIZE_MAX, &seed, err);
    }
    if (status == PL_OK) {
        status = pl_usage_size(call, "rows", 1, PL_MOST_ROWS, &protocol.rows, err);
    }
    protocol.rows = protocol.rows == PL_PROTOCOL_ROWS ? 0 : protocol.rows;
    protocol.sample = (pl_sample)sample;
    protocol.seed = seed;
    size_t limit = pl_config_longest(pl_model_config(state->source->model));
    if (status == PL_OK && limit > 0 && protocol.length > limit) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "calibrate: length=%zu is over the model's limit of %zu positions",
                              protocol.length, limit);
    }
    if (status == PL_OK) {
        status = pl_text_files(call, state, "calibration.txt", files, &count, &owned, err);
    }
    if (status == PL_OK) {
        pl_buf whole[PL_MAX_TEXTS] = {{0}};
        for (size_t i = 0; i < count; i++) {
            pl_put_absolute(files[i], &whole[i]);
            files[i] = whole[i].failed ? files[i] : whole[i].data;
        }
        status = pl_calibration_set(out, files, count, &protocol, err);
        for (size_t i = 0; i < count; i++) {
            pl_buf_deinit(&whole[i]);
        }
    }
    free(owned);
    return status;
}

/* Peak resident bytes of this program.  getrusage's number is only second choice: exec hands the
 * peak of whoever started the program on to it. */
static json_int_t peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    long kilobytes = usage.ru_maxrss;
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kilobytes = strtol(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return (json_int_t)kilobytes * 1024;
}

/* The errors of imported layers are against the calibration. */
static pl_status measure_imports(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                                 pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(state->source->model); i++) {
        pl_solve_report report;
        pl_id result = {0};
        if (pl_state_is_imported(state, i)) {
            status = pl_import_measure(lab, state, i, &report, &result, task, err);
            if (status == PL_OK) {
                status = pl_keep_result(call, state, i, result, &report, err);
            }
        }
    }
    return status;
}

pl_status pl_run_calibrate(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                           pl_error *err)
{
    double start = pl_now();
    pl_state wanted;
    pl_status status = pl_state_copy(&wanted, state, err);
    if (status != PL_OK) {
        return status;
    }
    pl_calibration asked = {0};
    pl_id key = {0};
    pl_calib_report report = {0};
    status = asked_calibration(call, state, &asked, err);
    if (status == PL_OK) {
        status = pl_calibration_set(&wanted.calibration, (const char *const *)asked.texts,
                                    asked.n_texts, &asked.protocol, err);
    }
    if (status == PL_OK) {
        status = pl_lab_calibrate(lab, &wanted, &key, &report, task, err);
    }
    if (status == PL_OK && pl_state_import_count(&wanted) > 0) {
        wanted.calibration.key = key;
        wanted.calibration.known = true;
        status = measure_imports(call, &wanted, lab, task, err);
    }
    if (status == PL_OK) {
        double seconds = pl_now() - start;
        double tokens = (double)asked.protocol.length * (double)asked.protocol.windows;
        char text[PL_ID_TEXT];
        pl_id_format(key, text);
        pl_json_set(call->result, "tokens", json_integer((json_int_t)tokens));
        pl_json_set(call->result, "seconds", json_real(seconds));
        pl_json_set(call->result, "tokens_per_second", pl_number(tokens / seconds));
        pl_json_set(call->result, "peak_bytes", json_integer(peak_bytes()));
        pl_json_set(call->result, "stored", json_boolean(report.sites_computed == 0));
        pl_json_set(call->result, "key", json_string(text));
    }
    pl_error ignored;
    pl_protocol none = {0};
    pl_status cleared = pl_calibration_set(&asked, NULL, 0, &none, &ignored);
    (void)cleared;
    pl_state_deinit(&wanted);
    return status;
}

pl_status pl_apply_calibrate(pl_call *call, pl_state *state, pl_error *err)
{
    pl_calibration asked = {0};
    pl_status status = asked_calibration(call, state, &asked, err);
    if (status == PL_OK) {
        status = pl_calibration_set(&state->calibration, (const char *const *)asked.texts,
                                    asked.n_texts, &asked.protocol, err);
        const char *key = json_string_value(json_object_get(call->result, "key"));
        state->calibration.known = key != NULL && pl_id_parse(key, &state->calibration.key);
    }
    for (size_t i = 0; status == PL_OK && i < call->n_solved; i++) {
        status = pl_state_import_layer(state, call->solved[i].layer, call->solved[i].result, err);
    }
    pl_protocol none = {0};
    pl_status cleared = pl_calibration_set(&asked, NULL, 0, &none, NULL);
    (void)cleared;
    return status;
}

pl_status pl_run_outliers(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                          pl_error *err)
{
    size_t layer = 0;
    size_t side = PL_SIDE_INPUT;
    size_t top = 0;
    size_t count = 0;
    pl_status status = pl_target_layer(call, state, 0, &layer, err);
    if (status == PL_OK) {
        status = pl_usage_choice(call, "side", &side, err);
    }
    if (status == PL_OK) {
        status = pl_usage_size(call, "top", 1, 1u << 20, &top, err);
    }
    if (status != PL_OK) {
        return status;
    }
    pl_channel_row *rows = calloc(top, sizeof *rows);
    if (rows == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    status = pl_channel_table(lab, state, layer, (pl_side)side, top, rows, &count, task, err);
    json_t *list = json_array();
    pl_json_set(call->result, "channels", list);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_channel_row *row = &rows[i];
        bool has = row->token_position >= 0;
        bool known = has && row->token_id >= 0;
        pl_json_append(
            list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s?}", "channel",
                            (json_int_t)row->channel, "max", pl_number(row->max), "rms",
                            pl_number(row->rms), "ratio", pl_number(row->ratio), "token_position",
                            has ? json_integer(row->token_position) : json_null(), "token_id",
                            known ? json_integer(row->token_id) : json_null(), "token",
                            known ? row->token : NULL));
    }
    free(rows);
    return status;
}

static pl_status need_solved(const pl_state *state, pl_which which, pl_error *err)
{
    if (which == PL_WHICH_BEFORE) {
        return PL_OK;
    }
    pl_status status = pl_state_check_origin(state, false, err);
    if (status != PL_OK || pl_state_solved_count(state) > 0 || pl_state_quantizes(state)) {
        return status;
    }
    return pl_error_set(err, PL_ERR_STATE,
                        "no layer is solved with the present methods and calibration: run "
                        "`solve all` first");
}

static json_t *spread_json(const pl_ppl_spec *spec, const pl_ppl_result *found)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:i}", "runs", (json_int_t)spec->spread, "least",
                     pl_number(found->spread_least), "largest", pl_number(found->spread_largest),
                     "deviation", pl_number(found->spread_deviation), "digits",
                     pl_digits_of(found->perplexity, found->spread_deviation));
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

/* The digits that the spread leaves, and no more. */
void pl_put_perplexity(const pl_call *call, pl_buf *out)
{
    const double value = json_number_value(json_object_get(call->result, "perplexity"));
    const int digits = pl_perplexity_digits(call);
    json_t *shown = digits < 5 && value > 0.0 ? json_copy(call->result) : NULL;
    if (shown != NULL) {
        char text[48];
        pl_format_digits(value, digits, text, sizeof text);
        pl_json_set(shown, "perplexity", json_string(text));
    }
    pl_result_object(shown != NULL ? shown : call->result, out);
    json_decref(shown);
}

pl_status pl_run_perplexity(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                            pl_error *err)
{
    double start = pl_now();
    const char *files[PL_MAX_TEXTS];
    size_t n_files = 0;
    size_t protocol = PL_PPL_GPTQ;
    size_t which = PL_WHICH_BEFORE;
    char *owned = NULL;
    const pl_tokens *shared = NULL;
    int32_t *ids = NULL;
    size_t count = 0;
    pl_ppl_spec spec = {.memory_limit = pl_lab_memory_limit(lab)};
    pl_status status = pl_model_need_forward(state->source->model, "perplexity", err);
    if (status == PL_OK) {
        status = pl_usage_choice(call, "protocol", &protocol, err);
    }
    if (status == PL_OK) {
        status = pl_usage_choice(call, "which", &which, err);
    }
    if (status == PL_OK) {
        status = pl_usage_size(call, "length", 2, 1u << 20, &spec.length, err);
    }
    if (status == PL_OK) {
        status = pl_usage_size(call, "windows", 0, 1u << 20, &spec.windows, err);
    }
    if (status == PL_OK) {
        status = pl_usage_size(call, "spread", 0, 1000, &spec.spread, err);
    }
    size_t limit = pl_config_longest(pl_model_config(state->source->model));
    if (status == PL_OK && limit > 0 && spec.length > limit) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "perplexity: length=%zu is over the model's limit of %zu positions",
                              spec.length, limit);
    }
    if (status == PL_OK) {
        status = need_solved(state, (pl_which)which, err);
    }
    if (status == PL_OK) {
        status = pl_text_files(call, state, "evaluation.txt", files, &n_files, &owned, err);
    }
    if (status == PL_OK) {
        status = pl_lab_tokens(lab, state, files, n_files, &shared, task, err);
    }
    if (status == PL_OK) {
        /* The shared tokens may be replaced by an urgent job at a tick. */
        count = shared->count;
        ids = malloc(count * sizeof *ids + 1);
        if (ids == NULL) {
            status = pl_error_set(err, PL_ERR_MEMORY, "out of memory");
        } else {
            memcpy(ids, shared->ids, count * sizeof *ids);
        }
    }
    if (status == PL_OK) {
        spec.protocol = (pl_ppl_protocol)protocol;
        pl_quantized quantized;
        pl_hooks hooks;
        pl_ppl_result found = {0};
        bool compare = which != PL_WHICH_BEFORE;
        status = pl_quantized_init(&quantized, lab, state, (pl_which)which, &hooks, task, err);
        if (status == PL_OK) {
            status = pl_perplexity(state->source->model, ids, count, &spec, compare ? &hooks : NULL,
                                   compare, &found, task, err);
        }
        pl_quantized_deinit(&quantized);
        json_t *out = call->result;
        pl_json_set(out, "perplexity", pl_number(found.perplexity));
        pl_json_set(out, "perplexity_error", pl_number(found.perplexity_error));
        if (spec.spread > 0) {
            pl_json_set(out, "spread", spread_json(&spec, &found));
        }
        pl_json_set(out, "mean_nll", pl_number(found.mean_nll));
        pl_json_set(out, "tokens", json_integer((json_int_t)found.tokens));
        pl_json_set(out, "windows", json_integer((json_int_t)found.windows));
        pl_json_set(out, "kl_mean", compare ? pl_number(found.kl_mean) : json_null());
        pl_json_set(out, "kl_max", compare ? pl_number(found.kl_max) : json_null());
        pl_json_set(out, "original_perplexity", pl_number(found.original));
        pl_json_set(out, "original_error", pl_number(found.original_error));
        pl_json_set(out, "top1_agreement", compare ? pl_number(found.top1_agreement) : json_null());
        pl_json_set(out, "layers_solved",
                    compare ? json_integer((json_int_t)pl_state_solved_count(state)) : json_null());
        pl_json_set(out, "layers_quantized",
                    compare ? json_integer((json_int_t)pl_quantized_layers(state)) : json_null());
        if (compare && pl_state_quantizes(state)) {
            pl_json_set(out, "activations", pl_activations_json(state));
            pl_json_set(out, "kv", pl_kv_json(state));
        }
        pl_json_set(out, "seconds", json_real(pl_now() - start));
    }
    free(ids);
    free(owned);
    return status;
}

static void put_probe(json_t *list, const pl_tokenizer *tokenizer, const pl_probe_token *token)
{
    pl_buf text = {0};
    pl_tokenizer_show(tokenizer, token->id, &text);
    pl_json_append(list, json_pack("{s:s, s:i, s:I, s:o, s:I, s:o}", "text",
                                   text.data != NULL ? text.data : "", "id", (int)token->id,
                                   "channel", (json_int_t)token->channel, "value",
                                   pl_number((double)token->channel_value), "block",
                                   (json_int_t)token->block, "loss", pl_number(token->loss)));
    pl_buf_deinit(&text);
}

pl_status pl_run_probe(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                       pl_error *err)
{
    (void)lab;
    const char *text = call->words[0];
    const pl_tokenizer *tokenizer = NULL;
    int32_t *ids = NULL;
    size_t count = 0;
    pl_probe_token *tokens = NULL;
    pl_status status = pl_model_need_forward(state->source->model, "probe", err);
    if (status == PL_OK) {
        status = pl_model_need_tokenizer(state->source->model, &tokenizer, err);
    }
    if (status == PL_OK) {
        status = pl_tokenizer_encode(tokenizer, text, strlen(text), pl_lab_memory_limit(lab), &ids,
                                     &count, task, err);
    }
    size_t limit = pl_config_longest(pl_model_config(state->source->model));
    if (status == PL_OK && (count == 0 || (limit > 0 && count > limit))) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "probe: the text has %zu tokens, expected 1 to %zu", count, limit);
    }
    if (status == PL_OK && (tokens = calloc(count, sizeof *tokens)) == NULL) {
        status = pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    if (status == PL_OK) {
        status = pl_probe(state->source->model, ids, count, NULL, tokens, task, err);
    }
    if (status == PL_OK) {
        json_t *list = json_array();
        pl_json_set(call->result, "tokens", list);
        for (size_t i = 0; i < count; i++) {
            put_probe(list, tokenizer, &tokens[i]);
        }
    }
    free(tokens);
    free(ids);
    return status;
}

pl_status pl_run_massive(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                         pl_error *err)
{
    pl_id calibration = {0};
    pl_massive *found = NULL;
    size_t count = 0;
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_model_need_forward(state->source->model, "massive", err);
    if (status == PL_OK) {
        status = pl_lab_calibration(lab, state, &calibration, task, err);
    }
    if (status == PL_OK) {
        status = pl_calib_load_massive(pl_lab_store(lab), calibration, &found, &count, err);
    }
    if (status == PL_OK) {
        status = pl_model_need_tokenizer(state->source->model, &tokenizer, err);
    }
    json_t *list = json_array();
    pl_json_set(call->result, "activations", list);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        pl_buf text = {0};
        pl_tokenizer_show(tokenizer, found[i].token, &text);
        pl_json_append(
            list, json_pack("{s:I, s:I, s:o, s:o, s:I, s:i, s:s}", "block",
                            (json_int_t)found[i].block, "channel", (json_int_t)found[i].channel,
                            "value", pl_number((double)found[i].value), "median",
                            pl_number((double)found[i].median), "token_position",
                            (json_int_t)found[i].position, "token_id", (int)found[i].token, "token",
                            text.data != NULL ? text.data : ""));
        pl_buf_deinit(&text);
    }
    free(found);
    return status;
}
