/* tune: parameters chosen for each layer, role, block or input by what they do. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/number.h"
#include "core/model/bare.h"
#include "core/state/record.h"
#include "core/study/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char tune_example[] = "e.g. `tune target=0.1:0.5:log6` or `tune group_size=64,128`";

/* --- what is asked ---------------------------------------------------------------------------- */

static pl_status refuse_values(const char *name, const char *text, pl_error *err)
{
    return pl_error_set(err, PL_ERR_USAGE,
                        "tune: %s=%s: expected FROM:TO:logN, FROM:TO:linN or at most %d values "
                        "A,B,C, %s",
                        name, text, PL_TUNE_VALUES, tune_example);
}

/* Whether the parameter of a layer's methods takes whole numbers only. */
static bool is_whole(const pl_state *state, const char *name)
{
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_method *method = pl_state_spec(state, state->layer, slot)->method;
        const size_t param = method != NULL ? pl_method_param(method, name) : SIZE_MAX;
        if (param != SIZE_MAX) {
            return method->params[param].type == PL_PARAM_INT;
        }
    }
    return false;
}

/* The values of a range, or those of a list; each once. */
static pl_status read_values(const pl_state *state, const char *text, pl_tune_param *out,
                             pl_error *err)
{
    pl_range range;
    double values[PL_TUNE_VALUES];
    if (strchr(text, ':') != NULL) {
        const bool read = pl_read_range(text, &range);
        if (read && (!(range.from <= range.to) || (range.logarithmic && !(range.from > 0.0)))) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "tune: %s from %g to %g, expected a rising range%s", out->name,
                                range.from, range.to, range.logarithmic ? " above 0" : "");
        }
        if (!read || range.points < 1 || range.points > PL_TUNE_VALUES) {
            return refuse_values(out->name, text, err);
        }
        out->count = pl_range_values(&range, is_whole(state, out->name), values);
        for (size_t i = 0; i < out->count; i++) {
            char exact[PL_EXACT_TEXT];
            pl_format_exact(values[i], exact);
            snprintf(out->values[i], sizeof out->values[i], "%.*s", PL_TUNE_TEXT - 1, exact);
        }
        return PL_OK;
    }
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        bool again = false;
        if (length == 0 || length >= PL_TUNE_TEXT || out->count == PL_TUNE_VALUES) {
            return refuse_values(out->name, text, err);
        }
        snprintf(out->values[out->count], PL_TUNE_TEXT, "%.*s", (int)length, at);
        for (size_t i = 0; i < out->count; i++) {
            again = again || strcmp(out->values[i], out->values[out->count]) == 0;
        }
        out->count += !again;
        at += length;
        if (*at == '\0') {
            return PL_OK;
        }
    }
}

/* The keys that are not the command's own are parameters. */
static pl_status read_params(const pl_call *call, const pl_state *state, pl_tuning *out,
                             pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < call->n_keys; i++) {
        const char *name = call->names[i];
        if (pl_is_own_key(call->command, name)) {
            continue;
        }
        if (out->n_params == PL_TUNE_PARAMS || strlen(name) >= PL_TUNE_TEXT) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "tune: %s: expected at most %d parameters of the methods in use",
                                name, PL_TUNE_PARAMS);
        }
        pl_tune_param *param = &out->params[out->n_params++];
        snprintf(param->name, sizeof param->name, "%s", name);
        status = read_values(state, call->values[i], param, err);
    }
    return status == PL_OK && out->n_params == 0
               ? pl_error_set(err, PL_ERR_USAGE, "tune: needs a parameter and its values, %s",
                              tune_example)
               : status;
}

static pl_status read_kl(const pl_call *call, const pl_state *state, pl_tuning *out, pl_error *err)
{
    static const char *const keys[] = {"text", "skip", "length", "windows", "sequential"};
    for (size_t i = 0; !out->by_kl && i < sizeof keys / sizeof *keys; i++) {
        if (pl_call_value(call, keys[i]) != NULL) {
            return pl_error_set(err, PL_ERR_USAGE, "tune: %s= goes with by=kl", keys[i]);
        }
    }
    if (!out->by_kl) {
        return PL_OK;
    }
    if (pl_call_value(call, "text") == NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "tune: by=kl needs text=FILE: a text that is neither the calibration's "
                            "nor the one that results are reported on");
    }
    size_t sequential = 0;
    pl_status status = pl_usage_choice(call, "sequential", &sequential, err);
    PL_THEN(pl_usage_size(call, "length", 2, 1u << 20, &out->text.length, err));
    PL_THEN(pl_usage_size(call, "windows", 0, 1u << 20, &out->text.windows, err));
    PL_THEN(pl_check_length(call, state, out->text.length, err));
    out->sequential = sequential != 0;
    return status;
}

/* What the command asks for; `run` and `apply` read it alike. */
static pl_status read_tuning(const pl_call *call, const pl_state *state, pl_tuning *out,
                             pl_error *err)
{
    size_t unit = 0, by = 0, slot = PL_SLOT_COUNT;
    *out = (pl_tuning){.glob = NULL};
    pl_status status = pl_usage_choice(call, "unit", &unit, err);
    PL_THEN(pl_usage_choice(call, "by", &by, err));
    PL_THEN(pl_usage_choice(call, "slot", &slot, err));
    out->by_kl = by == 1;
    out->whole = unit == PL_UNIT_SITE + 1;
    out->unit = out->whole ? PL_UNIT_LAYER : (pl_unit)unit;
    out->any_slot = slot == PL_SLOT_COUNT;
    out->slot = out->any_slot ? PL_SLOT_TRANSFORM : (pl_slot)slot;
    out->glob = call->n_words > 0 && !pl_call_is_of_all(call) ? call->words[0] : NULL;
    PL_THEN(read_kl(call, state, out, err));
    PL_THEN(read_params(call, state, out, err));
    return status == PL_OK ? pl_tune_check(state, out, err) : status;
}

/* --- run -------------------------------------------------------------------------------------- */

/* A unit's value under a candidate: a number where it is one, "mixed" where its layers have
 * several.
 */
static json_t *value_json(const pl_state *state, const pl_tuning *tuning, const pl_tuned *found,
                          size_t unit, size_t candidate)
{
    pl_buf text = {0};
    char *end = NULL;
    bool mixed = false;
    pl_tune_say(state, tuning, found->units[unit].layer, candidate, &text);
    for (size_t i = 0; candidate == 0 && i < pl_model_layer_count(state->source->model); i++) {
        pl_buf own = {0};
        if (found->unit_of[i] == (long)unit) {
            pl_tune_say(state, tuning, i, candidate, &own);
            mixed =
                mixed || text.data == NULL || own.data == NULL || strcmp(text.data, own.data) != 0;
        }
        pl_buf_deinit(&own);
    }
    const char *said = mixed ? "mixed" : text.data != NULL ? text.data : "";
    const double number = strtod(said, &end);
    json_t *json = end != said && *end == '\0' ? pl_json_number(number) : json_string(said);
    pl_buf_deinit(&text);
    return json;
}

static json_t *tuned_units_json(const pl_state *state, const pl_tuning *tuning,
                                const pl_tuned *found)
{
    json_t *list = json_array();
    const size_t k = tuning->candidates + 1;
    for (size_t u = 0; u < found->count; u++) {
        const pl_unit_loss *unit = &found->units[u];
        const double *loss = found->loss + u * k;
        json_t *line = json_object(), *losses = json_array();
        pl_json_set(line, "unit", json_string(unit->name));
        pl_json_set(line, "before", value_json(state, tuning, found, u, 0));
        pl_json_set(line, "value", value_json(state, tuning, found, u, found->chosen[u]));
        pl_json_set(line, "loss_before", pl_json_number(loss[0]));
        pl_json_set(line, "loss", pl_json_number(loss[found->chosen[u]]));
        pl_json_set(line, "layers", json_integer((json_int_t)unit->layers));
        for (size_t c = 1; c < k; c++) {
            pl_json_append(losses, pl_json_number(loss[c]));
        }
        pl_json_set(line, "losses", losses);
        pl_json_append(list, line);
    }
    return list;
}

static void put_tuned(pl_call *call, const pl_state *state, const pl_tuning *tuning,
                      const pl_tuned *found)
{
    json_t *out = call->result, *alike = json_array();
    size_t changed = 0;
    for (size_t u = 0; u < found->count; u++) {
        changed += found->chosen[u] > 0;
    }
    pl_json_set(out, "by", json_string(pl_usage_text(call, "by")));
    pl_json_set(out, "unit", json_string(pl_usage_text(call, "unit")));
    pl_json_set(out, "before", pl_json_number(found->start));
    pl_json_set(out, "found", pl_json_number(found->found));
    pl_json_set(out, "changed", json_integer((json_int_t)changed));
    pl_json_set(out, "measured", json_integer((json_int_t)found->measured));
    pl_json_set(out, "from_store", json_integer((json_int_t)found->known));
    for (size_t c = 1; c <= tuning->candidates; c++) {
        pl_json_append(alike,
                       json_pack("{s:o, s:o}", "value", value_json(state, tuning, found, 0, c),
                                 "loss", pl_json_number(found->uniform[c])));
    }
    pl_json_set(out, "all_alike", alike);
    pl_json_set(out, "units", tuned_units_json(state, tuning, found));
}

/* A text that the layers are solved on tells nothing new of them. */
static void warn_of_text(const pl_state *state, pl_lab *lab, const pl_tokens *text)
{
    pl_id calibration = {0}, of = {0};
    if (pl_lab_is_calibrated(lab, state, &calibration) &&
        pl_calib_text(pl_lab_store(lab), calibration, &of) && pl_id_equal(of, text->text)) {
        pl_lab_warn(lab,
                    "tune: text= is the calibration's text: what is chosen may suit that alone");
    }
}

static pl_status give_layers(pl_call *call, const pl_state *state, const pl_tuned *found,
                             pl_error *err)
{
    const size_t n = pl_model_layer_count(state->source->model);
    call->given = calloc(n + 1, sizeof *call->given);
    if (call->given == NULL) {
        return pl_error_memory(err, "a result");
    }
    call->n_given = n;
    for (size_t i = 0; i < n; i++) {
        call->given[i] = found->unit_of[i] >= 0 ? (int)found->chosen[found->unit_of[i]] : 0;
    }
    return PL_OK;
}

static pl_status run_tune(pl_call *call, pl_context cx, pl_error *err)
{
    const double start = pl_clock_now();
    pl_tuning tuning;
    pl_tuned found = {0};
    pl_tokens text = {0};
    size_t skip = 0;
    pl_status status = read_tuning(call, cx.state, &tuning, err);
    PL_THEN(pl_rows_check_file(call, err));
    PL_THEN(pl_state_check_origin(cx.state, false, err));
    if (status == PL_OK && tuning.by_kl) {
        status = pl_model_need_forward(cx.state->source->model, "by=kl", err);
        PL_THEN(pl_usage_size(call, "skip", 0, 1u << 20, &skip, err));
        PL_THEN(pl_read_text(call, cx, &text, err));
    }
    if (status == PL_OK && tuning.by_kl) {
        warn_of_text(cx.state, cx.lab, &text);
        skip = skip * tuning.text.length < text.count ? skip * tuning.text.length : text.count;
    }
    PL_THEN(pl_tune_run(cx, &tuning, text.ids != NULL ? text.ids + skip : NULL, text.count - skip,
                        &found, err));
    if (status == PL_OK) {
        put_tuned(call, cx.state, &tuning, &found);
        pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
        status = give_layers(call, cx.state, &found, err);
    }
    PL_THEN(pl_rows_write(call, cx.state, json_object_get(call->result, "units"), cx.task, err));
    pl_tuned_deinit(&found);
    pl_tokens_deinit(&text);
    return status;
}

/* --- what becomes of it ----------------------------------------------------------------------- */

static pl_status apply_tune(pl_call *call, pl_state *state, pl_error *err)
{
    pl_tuning tuning;
    bool any = false;
    for (size_t i = 0; i < call->n_given; i++) {
        any = any || call->given[i] > 0;
    }
    if (!any || call->n_given != pl_model_layer_count(state->source->model)) {
        call->unchanged = true;
        return PL_OK;
    }
    pl_status status = read_tuning(call, state, &tuning, err);
    PL_THEN(pl_tune_set(state, &tuning, call->given, err));
    if (status == PL_OK) {
        state->suggested = false; /* what is tuned is taken */
        pl_state_recall(state);
    }
    return status;
}

/* "held-out error 0.064 -> 0.0335, 27 of 28 units changed: `solve all` solves so". */
static void put_tune_line(const pl_call *call, pl_buf *out)
{
    const size_t units = json_array_size(json_object_get(call->result, "units"));
    const double changed = pl_json_number_of(call->result, "changed");
    char before[PL_NUMBER_TEXT], found[PL_NUMBER_TEXT];
    const bool by_kl = strcmp(pl_usage_text(call, "by"), "kl") == 0;
    pl_format_number(pl_json_number_of(call->result, "before"), before);
    pl_format_number(pl_json_number_of(call->result, "found"), found);
    if (changed > 0.0) {
        pl_buf_printf(out, "%s %s → %s, %.0f of %zu units changed: `solve all` solves so",
                      by_kl ? "KL" : "held-out error", before, found, changed, units);
    } else {
        pl_buf_printf(out, "%s %s: no value loses less, nothing is changed",
                      by_kl ? "KL" : "held-out error", before);
    }
}

static const pl_key tune_keys[] = {
    {"unit", PL_KEY_CHOICE, "layer", PL_UNIT_CHOICES "|all", "what gets a value together"},
    {"by", PL_KEY_CHOICE, "heldout", "heldout|kl",
     "what is least: the error on held-out inputs, or the model's KL divergence"},
    {"text", PL_KEY_FILES, NULL, NULL, "by=kl: the text to tune on; may be given again"},
    {"skip", PL_KEY_INT, "0", NULL, "by=kl: windows at its beginning that are left out"},
    {"length", PL_KEY_INT, "512", NULL, "by=kl: tokens in a window"},
    {"windows", PL_KEY_INT, "4", NULL, "by=kl: how many windows; 0: all the text has"},
    {"sequential", PL_KEY_CHOICE, "no", "no|yes",
     "by=kl: solve each trial as `solve all` does, which takes a solve of all layers a trial"},
    {"slot", PL_KEY_CHOICE, NULL, "transform|precondition|round",
     "whose parameter, where two methods have one of that name"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "also as a table: .csv or .tex"},
    {0},
};

static void help_tune(pl_buf *out)
{
    pl_buf_puts(
        out,
        "  PARAM=FROM:TO:logN (or linN, or a list A,B,C) is any parameter of the methods in use;\n"
        "  of several all combinations are tried.  What is found is set as `method ... on=LIST`,\n"
        "  and `undo` takes it back; where nothing is better, nothing changes.\n"
        "  by=heldout solves each layer on the calibration's windows 0, 2, 4, ... and takes the\n"
        "  error of its rounded weights on the inputs of windows 1, 3, 5, ...: layer by layer, on\n"
        "  the original model's inputs, with weights alone quantized.\n"
        "  by=kl takes the KL divergence of the whole model, as it is set, on text=, which should\n"
        "  be neither the calibration's text nor that of the reported numbers.  One value for all\n"
        "  comes first, then block after block (or role after role) each unit is tried with every\n"
        "  value, around the best so far: the result is never worse than the start.  Layers are\n"
        "  solved on the original model's inputs there, while `solve all` goes in sequence;\n"
        "  sequential=yes measures just that, and takes as long as so many `solve all`.\n"
        "  e.g. one relative reduction for all: `tune target=0.1:0.5:lin5 unit=all by=kl\n"
        "  text=tuning.txt sequential=yes`; for each role: `tune target=0.1:0.5:lin5 unit=role\n"
        "  by=kl text=tuning.txt`; for each layer: `tune beta=1e-5:1e-2:log7`.\n");
}

const pl_command pl_command_tune = {
    .name = "tune",
    .positional = "[LAYER|all|GLOB] PARAM=FROM:TO:logN",
    .max_words = 1,
    .keys = tune_keys,
    .any_key = true,
    .needs_model = true,
    .summary = "Choose a parameter for each layer (or role, block, input, all) by what it loses",
    .run = run_tune,
    .apply = apply_tune,
    .least = "layers loss_before before",
    .put_text = pl_put_first_units,
    .put_line = put_tune_line,
    .slow = pl_slow_always,
    .unit = "trials",
    .keeps = true,
    .follow = pl_follow_methods,
    .more_help = help_tune,
};
