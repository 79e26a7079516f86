/* target: the value of a parameter by what it does to a layer. */
#include "core/study/target.h"

#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/study/piece.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is asked ---------------------------------------------------------------------------- */

/* The word that is a goal: the least rounded error. */
static const char best_word[] = "best";

static bool asks_for_best(const pl_call *call)
{
    bool asks = false;
    for (size_t i = 0; i < call->n_words; i++) {
        asks = asks || strcmp(call->words[i], best_word) == 0;
    }
    return asks;
}

static pl_status refuse_goal(const pl_goal_info *info, const char *text, pl_error *err)
{
    return pl_error_set(err, PL_ERR_USAGE, "target: %s=%s: expected %s%s", info->name, text,
                        info->falls ? "a change such as -40%" : "a share such as 1%",
                        info->least ? ", or min" : "");
}

/* "-40%" and "-0.4" are the same, and so are they without a sign. */
static pl_status read_goal(const char *text, pl_target *target, pl_error *err)
{
    const pl_goal_info *info = &pl_goals[target->goal];
    char *end = NULL;
    target->least = info->least && strcmp(text, "min") == 0;
    if (target->least) {
        return PL_OK;
    }
    target->want = text[strspn(text, "0123456789+-.eE%")] == '\0' ? strtod(text, &end) : 0.0;
    if (end != NULL && *end == '%') {
        target->want /= 100.0;
        end++;
    }
    if (info->falls) {
        target->want = fabs(target->want);
    }
    const bool read = end != NULL && end != text && *end == '\0' && isfinite(target->want);
    return read && target->want > 0.0 && (!info->falls || target->want < 1.0)
               ? PL_OK
               : refuse_goal(info, text, err);
}

static pl_status read_target(const pl_call *call, pl_target *out, pl_error *err)
{
    const char *text = NULL, *param = pl_call_value(call, "param");
    size_t slot = PL_SLOT_COUNT, goals = asks_for_best(call) ? 1 : 0;
    *out = (pl_target){.goal = PL_GOAL_ROUNDED_ERROR, .least = true};
    for (pl_goal goal = 0; goal < PL_GOAL_COUNT; goal++) {
        const char *value = pl_call_value(call, pl_goals[goal].name);
        if (value != NULL) {
            goals++;
            text = value;
            out->goal = goal;
        }
    }
    if (goals != 1) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "target: %s goal: one of group_max=-40%%, error=1%%, rounded_error=1%% "
                            "or min, output_error=1%% or min, best is expected",
                            goals == 0 ? "no" : "more than one");
    }
    if (param != NULL && strlen(param) >= sizeof out->param) {
        return pl_error_set(err, PL_ERR_USAGE, "target: no parameter has so long a name as \"%s\"",
                            param);
    }
    snprintf(out->param, sizeof out->param, "%s", param != NULL ? param : "");
    pl_status status = text != NULL ? read_goal(text, out, err) : PL_OK;
    PL_THEN(pl_usage_choice(call, "slot", &slot, err));
    out->any_slot = slot == PL_SLOT_COUNT;
    out->slot = out->any_slot ? PL_SLOT_TRANSFORM : (pl_slot)slot;
    return status;
}

/* Which layers are asked for, flags chosen[layers]; *one: a single layer was named, for which it is
 * an error if it cannot be searched. */
static pl_status choose_targets(const pl_call *call, const pl_state *state, bool *chosen, bool *one,
                                pl_error *err)
{
    const pl_model *model = state->source->model;
    const size_t words = call->n_words - (asks_for_best(call) ? 1 : 0);
    const bool first = call->n_words > 0 && strcmp(call->words[0], best_word) == 0;
    const char *name = words > 0 ? call->words[first ? 1 : 0] : NULL;
    const bool all = name != NULL && strcmp(name, "all") == 0;
    size_t layer = state->layer, count = 0;
    *one = !all && (name == NULL || strpbrk(name, "*?[,") == NULL);
    pl_status status = PL_OK;
    if (words > 1) {
        status =
            pl_error_set(err, PL_ERR_USAGE, "target: found \"%s\", expected best", call->words[1]);
    } else if (*one && name != NULL) {
        status = pl_model_find_layer(model, name, &layer, err);
    }
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(model); i++) {
        chosen[i] = *one ? i == layer : all || pl_model_layer_matches(model, i, name);
        count += chosen[i];
    }
    if (status == PL_OK && count == 0) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND, "target: no layer matches %s", name);
    }
    return status;
}

/* --- run -------------------------------------------------------------------------------------- */

/* What a search of several layers has come to. */
typedef struct tally {
    pl_target target; /* as the first layer has it */
    json_t *layers;
    size_t asked, met, solves;
    pl_buf last;    /* the last layer's sentence */
    pl_buf refused; /* the first one's that does not reach it */
} tally;

static void put_found(tally *t, const pl_target *target, const pl_layer *layer,
                      const pl_target_found *found)
{
    const bool met = found->end == PL_SEARCH_FOUND;
    json_t *line = json_object();
    t->last.size = 0;
    pl_target_say(target, layer, found, &t->last);
    const char *said = t->last.data != NULL ? t->last.data : "";
    pl_json_set(line, "name", json_string(layer->name));
    pl_json_set(line, "parameter", json_string(target->param));
    pl_json_set(line, "value", pl_json_number(found->value));
    pl_json_set(line, "reached",
                pl_json_number(pl_goals[target->goal].falls ? -found->reached : found->reached));
    pl_json_set(line, "met", json_boolean(met));
    pl_json_set(line, "solves", json_integer((json_int_t)found->solves));
    pl_json_set(line, "gap", pl_json_number(found->report.gap));
    pl_json_set(line, "relative_error", pl_json_number(found->report.relative_error));
    pl_json_set(line, "rounded_relative_error",
                pl_json_number(found->report.rounded_relative_error));
    pl_json_set(line, "said", json_string(said));
    pl_json_append(t->layers, line);
    t->solves += found->solves;
    if (found->end == PL_SEARCH_BEYOND && t->refused.size == 0) {
        pl_buf_puts(&t->refused, said);
    }
}

/* One layer; what is found is set in *now, and handed on. */
static pl_status search_one(pl_call *call, pl_state *now, pl_lab *lab, size_t layer, tally *t,
                            pl_task *task, pl_error *err)
{
    const pl_layer *info = pl_model_layer(now->source->model, layer);
    pl_target target = t->target;
    pl_target_found found;
    pl_status status = pl_target_check(now, layer, &target, err);
    PL_THEN(pl_target_search((pl_context){lab, now, task}, layer, &target, &found, err));
    if (status != PL_OK) {
        return status;
    }
    put_found(t, &target, info, &found);
    if (found.end == PL_SEARCH_BEYOND) {
        return PL_OK;
    }
    t->met++;
    status = pl_target_set(now, layer, target.slot, &found.spec, err);
    PL_THEN(pl_note_result(call, now, layer, found.result, false, &found.report, err));
    if (status == PL_OK) {
        call->solved[call->n_solved - 1].spec = found.spec;
    }
    return status;
}

/* What the screen says in its line, and a script finds first. */
static pl_status conclude_target(pl_call *call, tally *t, pl_status status, pl_lab *lab,
                                 pl_error *err)
{
    const size_t done = json_array_size(t->layers);
    const char *refused = t->refused.data != NULL ? t->refused.data : "";
    char text[200];
    if (status == PL_ERR_CANCELLED && t->met > 0) {
        snprintf(text, sizeof text,
                 "target: cancelled behind %zu of %zu layers, which keep what "
                 "was found",
                 done, t->asked);
        pl_lab_warn(lab, text);
        status = PL_OK;
    }
    if (status == PL_OK && t->met == 0 && t->refused.size > 0) {
        return pl_error_set(err, PL_ERR_STATE, "target: %s%s", refused,
                            done > 1 ? "; nor is it on any other layer" : "");
    }
    if (status == PL_OK && t->refused.size > 0) {
        pl_buf warning = {0};
        pl_buf_printf(&warning, "target: %zu of %zu layers stay as they are: %s", done - t->met,
                      done, refused);
        pl_lab_warn(lab, warning.data != NULL ? warning.data : refused);
        pl_buf_deinit(&warning);
    }
    snprintf(
        text, sizeof text,
        "%zu of %zu layers, %zu solves on the original's inputs; `solve all` goes on in sequence",
        t->met, t->asked, t->solves);
    pl_json_set(call->result, "found",
                json_string(t->asked == 1 && t->last.data != NULL ? t->last.data : text));
    pl_json_set(call->result, "solves", json_integer((json_int_t)t->solves));
    return status;
}

/* Whether a layer of several is searched: not an imported one (it has no method), nor one without
 * known inputs; of layers that share a transform only the first chosen one. */
static bool is_due(const pl_state *state, size_t layer, const bool *chosen, const pl_target *target)
{
    const pl_model *model = state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    pl_target checked = *target;
    bool due = !pl_state_is_imported(state, layer) && !pl_model_is_blind(model, layer) &&
               pl_target_check(state, layer, &checked, NULL) == PL_OK;
    for (size_t i = 0; due && checked.slot == PL_SLOT_TRANSFORM && i < site->n_layers; i++) {
        due = site->layers[i] >= layer || !chosen[site->layers[i]];
    }
    return due;
}

static pl_status search_layers(pl_call *call, pl_state *now, pl_lab *lab, bool *chosen, bool one,
                               tally *t, pl_task *task, pl_error *err)
{
    const size_t n = pl_model_layer_count(now->source->model);
    size_t first = SIZE_MAX;
    pl_piece piece;
    for (size_t i = 0; i < n; i++) {
        first = chosen[i] && first == SIZE_MAX ? i : first;
        chosen[i] = chosen[i] && (one || is_due(now, i, chosen, &t->target));
        t->asked += chosen[i];
    }
    pl_target checked = t->target;
    pl_status status = t->asked == 0 ? pl_target_check(now, first, &checked, err) : PL_OK;
    if (status == PL_OK && t->asked == 0) {
        status = pl_model_need_inputs(now->source->model, first, err);
    }
    pl_piece_init(&piece, task, "layers", t->asked);
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        if (chosen[i]) {
            status = search_one(call, now, lab, i, t, &piece.task, err);
            pl_piece_step(&piece);
        }
    }
    return status;
}

static pl_status run_target(pl_call *call, pl_context cx, pl_error *err)
{
    tally t = {.layers = json_array()};
    bool one = false;
    bool *chosen = calloc(pl_model_layer_count(cx.state->source->model) + 1, sizeof *chosen);
    pl_state now;
    pl_json_set(call->result, "found", json_null()); /* the sentence comes first */
    pl_json_set(call->result, "layers", t.layers);
    pl_status status =
        chosen != NULL ? read_target(call, &t.target, err) : pl_error_memory(err, "a result");
    PL_THEN(choose_targets(call, cx.state, chosen, &one, err));
    PL_THEN(pl_state_copy(&now, cx.state, err));
    if (status == PL_OK) {
        status = search_layers(call, &now, cx.lab, chosen, one, &t, cx.task, err);
        status = conclude_target(call, &t, status, cx.lab, err);
        pl_state_deinit(&now);
    }
    free(chosen);
    pl_buf_deinit(&t.last);
    pl_buf_deinit(&t.refused);
    return status;
}

/* --- what becomes of it ----------------------------------------------------------------------- */

static pl_status apply_target(pl_call *call, pl_state *state, pl_error *err)
{
    pl_status status = PL_OK;
    state->suggested = state->suggested && call->n_solved == 0; /* what is tuned is taken */
    for (size_t i = 0; status == PL_OK && i < call->n_solved; i++) {
        const pl_spec *spec = &call->solved[i].spec;
        const size_t layer = call->solved[i].layer;
        status = pl_target_set(state, layer, spec->method->slot, spec, err);
        PL_THEN(
            pl_state_set_result(state, layer, call->solved[i].plan, call->solved[i].result, err));
    }
    return status;
}

static void put_target_text(const pl_call *call, pl_buf *out)
{
    const json_t *layers = json_object_get(call->result, "layers");
    for (size_t i = 0; i < json_array_size(layers); i++) {
        pl_buf_printf(out, "%s\n",
                      json_string_value(json_object_get(json_array_get(layers, i), "said")));
    }
    if (json_array_size(layers) > 1) {
        pl_buf_printf(out, "%s\n", json_string_value(json_object_get(call->result, "found")));
    }
}

static void follow_target(pl_screen *screen, const pl_call *call, pl_status how)
{
    pl_target target;
    const bool least = how == PL_OK && read_target(call, &target, NULL) == PL_OK && target.least &&
                       target.goal == PL_GOAL_ROUNDED_ERROR;
    for (size_t i = 0; least && i < call->n_solved; i++) {
        pl_screen_note_best(screen, call->solved[i].layer, &call->solved[i].spec, target.param);
    }
    if (how == PL_OK) {
        pl_screen_follow_methods(screen);
    }
}

static const pl_key target_keys[] = {
    {"group_max", PL_KEY_TEXT, NULL, NULL, "the mean group maximum falls by so much: -40%"},
    {"error", PL_KEY_TEXT, NULL, NULL, "the error of the preconditioned weights is so large: 1%"},
    {"rounded_error", PL_KEY_TEXT, NULL, NULL, "that of the rounded weights, or min: the least"},
    {"output_error", PL_KEY_TEXT, NULL, NULL, "that of the output, or min: the least"},
    {"param", PL_KEY_TEXT, NULL, NULL, "which parameter; without it the preconditioner's strength"},
    {"slot", PL_KEY_CHOICE, NULL, "transform|precondition|round",
     "whose parameter, where two methods have one of that name"},
    {0},
};

static void help_target(pl_buf *out)
{
    pl_buf_puts(out,
                "  best is rounded_error=min.  Each value is an ordinary solve on the original\n"
                "  model's inputs, at most twelve a layer, and is kept in the store; the value\n"
                "  found is set as `method ... on=LAYER`, and the layer is solved with it.\n"
                "  e.g. `target 1.q_proj group_max=-40%`, `target all error=1%`,\n"
                "  `target *.down_proj best`, `target best param=damping`\n");
}

static const char *const target_ready[] = {
    best_word,  "the strength of the least rounded error, for the selected layer",
    "all best", "the strength of the least rounded error, for every layer",
    NULL,
};

static const pl_alias target_aliases[] = {
    {best_word, "rounded_error=min", "the strength of the smallest rounded error", false},
    {0},
};

const pl_command pl_command_target = {
    .name = "target",
    .positional = "[LAYER|all|GLOB] [best]",
    .max_words = 2,
    .keys = target_keys,
    .needs_model = true,
    .summary = "Find the strength by what it does to a layer, and set it there",
    .run = run_target,
    .apply = apply_target,
    .sets = true,
    .put_text = put_target_text,
    .slow = pl_slow_always,
    .unit = "layers",
    .learns = true,
    .rebuild = PL_REBUILD_RUN,
    .ready = target_ready,
    .aliases = target_aliases,
    .follow = follow_target,
    .more_help = help_target,
};
