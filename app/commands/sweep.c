/* sweep: a parameter of a method over a range of values. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/source.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/study/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sweep_example[] = "e.g. `sweep beta=1e-5:1e-2:log12`";

/* The one key that is not the command's own: PARAM=FROM:TO:logN. */
static pl_status find_param(const pl_call *call, size_t *index, pl_error *err)
{
    *index = SIZE_MAX;
    for (size_t i = 0; i < call->n_keys; i++) {
        if (pl_is_own_key(call->command, call->names[i])) {
            continue;
        }
        if (*index != SIZE_MAX) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "sweep: %s and %s: one parameter at a time is swept",
                                call->names[*index], call->names[i]);
        }
        *index = i;
    }
    return *index == SIZE_MAX
               ? pl_error_set(err, PL_ERR_USAGE, "sweep: needs a parameter and its values, %s",
                              sweep_example)
               : PL_OK;
}

static bool parse_range(const char *text, pl_sweep *sweep)
{
    pl_range range;
    const bool read = pl_read_range(text, &range);
    if (read) {
        sweep->from = range.from;
        sweep->to = range.to;
        sweep->points = range.points;
        sweep->logarithmic = range.logarithmic;
    }
    return read;
}

static pl_status read_sweep_text(const pl_call *call, const pl_state *state, pl_sweep *out,
                                 pl_error *err)
{
    static const char *const keys[] = {"text", "length", "windows"};
    for (size_t i = 0; i < 3; i++) {
        if (!out->perplexity && pl_call_value(call, keys[i]) != NULL) {
            return pl_error_set(err, PL_ERR_USAGE, "sweep: %s= goes with perplexity=yes", keys[i]);
        }
    }
    if (!out->perplexity) {
        return PL_OK;
    }
    pl_status status = pl_model_need_forward(state->source->model, "perplexity=yes", err);
    PL_THEN(pl_usage_size(call, "length", 2, 1u << 20, &out->length, err));
    PL_THEN(pl_usage_size(call, "windows", 0, 1u << 20, &out->windows, err));
    PL_THEN(pl_check_length(call, state, out->length, err));
    const char *text = pl_call_value(call, "text");
    if (status == PL_OK && text == NULL && state->source->demo == NULL) {
        status = pl_error_set(err, PL_ERR_USAGE, "sweep: perplexity=yes needs text=FILE");
    }
    pl_buf path = {0};
    if (status == PL_OK && text != NULL) {
        pl_put_absolute(text, &path);
        status = pl_buf_check(&path, err);
    }
    if (status == PL_OK && path.size >= sizeof out->text) {
        status = pl_error_set(err, PL_ERR_USAGE, "sweep: text=: the path has more than %zu bytes",
                              sizeof out->text - 1);
    }
    if (status == PL_OK) {
        snprintf(out->text, sizeof out->text, "%s", path.data != NULL ? path.data : "");
    }
    pl_buf_deinit(&path);
    return status;
}

/* What the command asks for; `run` and `apply` read it alike. */
static pl_status asked_sweep(const pl_call *call, const pl_state *state, pl_sweep *out,
                             pl_error *err)
{
    *out = (pl_sweep){.set = true, .layer = state->layer};
    size_t index = 0, slot = PL_SLOT_COUNT, perplexity = 0;
    pl_status status = find_param(call, &index, err);
    if (status != PL_OK) {
        return status;
    }
    if (!parse_range(call->values[index], out)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "sweep: %s=%s: expected FROM:TO:logN or FROM:TO:linN, %s",
                            call->names[index], call->values[index], sweep_example);
    }
    if (strlen(call->names[index]) >= sizeof out->param) {
        return pl_error_set(err, PL_ERR_USAGE, "sweep: no parameter has so long a name as \"%s\"",
                            call->names[index]);
    }
    snprintf(out->param, sizeof out->param, "%s", call->names[index]);
    out->whole = call->n_words > 0 && strcmp(call->words[0], "all") == 0;
    if (out->whole) {
        out->layer = 0; /* whatever is selected: the figure must not depend on it */
    } else {
        status = pl_target_layer(call, state, 0, &out->layer, err);
    }
    PL_THEN(pl_usage_choice(call, "slot", &slot, err));
    PL_THEN(pl_usage_choice(call, "perplexity", &perplexity, err));
    out->perplexity = perplexity != 0;
    out->slot = slot == PL_SLOT_COUNT ? PL_SLOT_TRANSFORM : (pl_slot)slot;
    PL_THEN(read_sweep_text(call, state, out, err));
    return status == PL_OK ? pl_sweep_check(state, out, slot == PL_SLOT_COUNT, err) : status;
}

static json_t *point_json(const pl_sweep_point *point)
{
    const pl_solve_report *report = &point->report;
    return json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "value", point->value,
                     "relative_error", pl_json_number(report->relative_error),
                     "rounded_relative_error", pl_json_number(report->rounded_relative_error),
                     "bound", pl_json_number(report->bound), "group_max_before",
                     pl_json_number(report->group_max_before), "group_max_after",
                     pl_json_number(report->group_max_after), "gap", pl_json_number(report->gap),
                     "perplexity", pl_json_number(point->perplexity), "perplexity_error",
                     pl_json_number(point->perplexity_error));
}

static pl_status run_sweep(pl_call *call, pl_context cx, pl_error *err)
{
    pl_sweep sweep;
    pl_status status = asked_sweep(call, cx.state, &sweep, err);
    if (status != PL_OK) {
        return status;
    }
    pl_sweep_result *found = calloc(1, sizeof *found);
    if (found == NULL) {
        return pl_error_memory(err, "a sweep");
    }
    status = pl_sweep_run(cx, &sweep, found, err);
    if (status == PL_OK) {
        json_t *out = call->result;
        bool knee = found->knee != SIZE_MAX;
        pl_json_set(out, "parameter", json_string(sweep.param));
        pl_json_set(out, "slot", json_string(pl_slot_name(sweep.slot)));
        pl_json_set(out, "layer",
                    sweep.whole
                        ? json_null()
                        : json_string(pl_model_layer(cx.state->source->model, sweep.layer)->name));
        pl_json_set(out, "knee", knee ? json_integer((json_int_t)found->knee) : json_null());
        pl_json_set(out, "knee_value",
                    knee ? json_real(found->points[found->knee].value) : json_null());
        json_t *list = json_array();
        pl_json_set(out, "points", list);
        for (size_t i = 0; i < found->count; i++) {
            pl_json_append(list, point_json(&found->points[i]));
        }
    }
    free(found);
    return status;
}

static pl_status apply_sweep(pl_call *call, pl_state *state, pl_error *err)
{
    pl_sweep sweep;
    pl_status status = asked_sweep(call, state, &sweep, err);
    if (status == PL_OK) {
        sweep.plan = pl_sweep_plan(state, &sweep);
        state->sweep = sweep;
    }
    return status;
}

static void follow_sweep(pl_screen *screen, const pl_call *call, pl_status how)
{
    if (how == PL_OK) {
        pl_screen_follow_sweep(screen, call);
    }
}

static const pl_key sweep_keys[] = {
    {"slot", PL_KEY_CHOICE, NULL, "transform|precondition|round",
     "whose parameter, where two methods have one of that name"},
    {"perplexity", PL_KEY_CHOICE, "no", "no|yes", "with `all`: measure it at every value"},
    {"text", PL_KEY_FILE, NULL, NULL, "with perplexity=yes: the text to score"},
    {"length", PL_KEY_INT, "512", NULL, "with perplexity=yes: tokens in a window"},
    {"windows", PL_KEY_INT, "20", NULL, "with perplexity=yes: how many; 0: all the text has"},
    {0},
};

const pl_command pl_command_sweep = {
    .name = "sweep",
    .positional = "[LAYER|all] PARAM=FROM:TO:logN",
    .max_words = 1,
    .keys = sweep_keys,
    .any_key = true,
    .needs_model = true,
    .summary = "Solve for N values of a parameter (logN or linN), and find the knee",
    .put_line = pl_line_sweep,
    .run = run_sweep,
    .apply = apply_sweep,
    .slow = pl_slow_always,
    .unit = "points",
    .keeps = true,
    .rebuild = PL_REBUILD_TEXTS,
    .follow = follow_sweep,
    .more_help = pl_help_methods,
};
