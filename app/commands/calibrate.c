/* calibrate: Gram matrices and statistics from a text. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/source.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/import.h"
#include "core/model/bare.h"
#include "core/state/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    PL_THEN(pl_usage_size(call, "length", 2, 1u << 20, &protocol.length, err));
    PL_THEN(pl_usage_size(call, "windows", 1, 1u << 20, &protocol.windows, err));
    PL_THEN(pl_usage_choice(call, "sample", &sample, err));
    PL_THEN(pl_usage_size(call, "seed", 0, SIZE_MAX, &seed, err));
    PL_THEN(pl_usage_size(call, "rows", 1, PL_MOST_ROWS, &protocol.rows, err));
    protocol.rows = protocol.rows == PL_PROTOCOL_ROWS ? 0 : protocol.rows;
    protocol.sample = (pl_sample)sample;
    protocol.seed = seed;
    PL_THEN(pl_check_length(call, state, protocol.length, err));
    PL_THEN(pl_text_files(call, state, "calibration.txt", files, &count, &owned, err));
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

/* The errors of imported layers are against the calibration. */
static pl_status measure_imports(pl_call *call, pl_context cx, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(cx.state->source->model); i++) {
        pl_solve_report report;
        pl_id result = {0};
        if (pl_state_is_imported(cx.state, i)) {
            status = pl_import_measure(cx, i, &report, &result, err);
            PL_THEN(pl_note_result(call, cx.state, i, result, false, &report, err));
        }
    }
    return status;
}

static pl_status run_calibrate(pl_call *call, pl_context cx, pl_error *err)
{
    double start = pl_clock_now();
    pl_state wanted;
    pl_status status = pl_state_copy(&wanted, cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    pl_calibration asked = {0};
    pl_id key = {0};
    pl_calib_report report = {0};
    status = asked_calibration(call, cx.state, &asked, err);
    PL_THEN(pl_calibration_set(&wanted.calibration, (const char *const *)asked.texts, asked.n_texts,
                               &asked.protocol, err));
    PL_THEN(pl_lab_calibrate(pl_with_state(cx, &wanted), &key, &report, err));
    if (status == PL_OK && pl_state_import_count(&wanted) > 0) {
        wanted.calibration.key = key;
        wanted.calibration.known = true;
        status = measure_imports(call, pl_with_state(cx, &wanted), err);
    }
    if (status == PL_OK) {
        double seconds = pl_clock_now() - start;
        double tokens = (double)asked.protocol.length * (double)asked.protocol.windows;
        char text[PL_ID_TEXT];
        pl_id_format(key, text);
        pl_json_set(call->result, "tokens", json_integer((json_int_t)tokens));
        pl_json_set(call->result, "seconds", json_real(seconds));
        pl_json_set(call->result, "tokens_per_second", pl_json_number(tokens / seconds));
        pl_json_set(call->result, "peak_bytes", json_integer((json_int_t)pl_memory_peak()));
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

/* Whether it asks for what is set already, under that key or (the demo's own) under none: what was
 * solved with it stays as it is. */
static bool is_present(const pl_calibration *asked, pl_id key, const pl_calibration *present)
{
    const pl_protocol *a = &asked->protocol, *b = &present->protocol;
    return !present->foreign && (!present->known || pl_id_equal(present->key, key)) &&
           a->length == b->length && a->windows == b->windows && a->rows == b->rows &&
           a->sample == b->sample && a->seed == b->seed &&
           pl_calibration_same_texts(asked, present);
}

static pl_status apply_calibrate(pl_call *call, pl_state *state, pl_error *err)
{
    pl_calibration asked = {0};
    pl_id key = {0};
    const char *text = json_string_value(json_object_get(call->result, "key"));
    const bool known = text != NULL && pl_id_parse(text, &key);
    pl_status status = asked_calibration(call, state, &asked, err);
    if (status == PL_OK && !(known && is_present(&asked, key, &state->calibration))) {
        status = pl_calibration_set(&state->calibration, (const char *const *)asked.texts,
                                    asked.n_texts, &asked.protocol, err);
        state->calibration.known = known && !pl_state_calibrates_itself(state);
        state->calibration.key = key;
    }
    for (size_t i = 0; status == PL_OK && i < call->n_solved; i++) {
        status = pl_state_import_layer(state, call->solved[i].layer, call->solved[i].result, err);
    }
    if (status == PL_OK) {
        pl_state_recall(state);
    }
    pl_protocol none = {0};
    pl_status cleared = pl_calibration_set(&asked, NULL, 0, &none, NULL);
    (void)cleared;
    return status;
}

static void follow_calibrate(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK) {
        pl_screen_follow_inputs(screen);
    }
}

static const pl_key calibrate_keys[] = {
    {"text", PL_KEY_FILES, NULL, NULL,
     "calibration text (.txt, .jsonl, .json); may be given again"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "8", NULL, "how many windows"},
    {"sample", PL_KEY_CHOICE, "first", "first|random", "the first windows, or seeded random ones"},
    {"seed", PL_KEY_INT, "0", NULL, "seed of sample=random"},
    {"rows", PL_KEY_INT, "1024", NULL, "rows of each input to keep, for errors of activations"},
    {0},
};

const pl_command pl_command_calibrate = {
    .name = "calibrate",
    .positional = "",
    .keys = calibrate_keys,
    .needs_model = true,
    .summary = "Run the original model over a text: Gram matrices and input statistics",
    .put_line = pl_line_calibrate,
    .run = run_calibrate,
    .apply = apply_calibrate,
    .slow = pl_slow_always,
    .unit = "tokens",
    .rebuild = PL_REBUILD_TEXTS,
    .brings = PL_BRINGS_INPUTS,
    .follow = follow_calibrate,
};
