#include "core/study/target.h"

#include "core/base/number.h"
#include "core/lab/strength.h"
#include "core/study/piece.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How near a value is met, and a least value in its parameter. */
static const double NEAR = 1e-3, NEAR_LEAST = 0.12;

const pl_goal_info pl_goals[PL_GOAL_COUNT] = {
    [PL_GOAL_GROUP_MAX] = {.name = "group_max", .words = "group max", .falls = true},
    [PL_GOAL_ERROR] = {.name = "error", .words = "error"},
    [PL_GOAL_ROUNDED_ERROR] = {.name = "rounded_error", .words = "rounded error", .least = true},
    [PL_GOAL_OUTPUT_ERROR] = {.name = "output_error", .words = "output error", .least = true},
};

static double goal_number(pl_goal goal, const pl_solve_report *report)
{
    switch (goal) {
    case PL_GOAL_GROUP_MAX:
        return 1.0 - report->group_max_after / report->group_max_before;
    case PL_GOAL_ERROR:
        return report->relative_error;
    case PL_GOAL_ROUNDED_ERROR:
        return report->rounded_relative_error;
    default:
        return report->output_error;
    }
}

/* --- what is asked ---------------------------------------------------------------------------- */

static pl_status find_telling(const pl_state *state, size_t layer, pl_target *target, pl_error *err)
{
    static const pl_slot slots[] = {PL_SLOT_PRECONDITION, PL_SLOT_TRANSFORM};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        const pl_method *method = pl_state_spec(state, layer, slots[i])->method;
        const size_t telling = pl_method_telling(method);
        if (telling != SIZE_MAX) {
            snprintf(target->param, sizeof target->param, "%s", method->params[telling].name);
            target->slot = slots[i];
            return PL_OK;
        }
    }
    return pl_error_set(
        err, PL_ERR_STATE,
        "target: %s has no method with a strength: choose one, e.g. `method astro`, "
        "or say param=",
        pl_model_layer(state->source->model, layer)->name);
}

static pl_status find_param(const pl_state *state, size_t layer, pl_target *target, pl_error *err)
{
    const char *names[PL_SLOT_COUNT] = {NULL};
    size_t found = 0;
    pl_buf known = {0};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_method *method = pl_state_spec(state, layer, slot)->method;
        if (method == NULL || (!target->any_slot && slot != target->slot)) {
            continue;
        }
        if (pl_method_param(method, target->param) != SIZE_MAX) {
            names[found++] = method->name;
            target->slot = found == 1 ? slot : target->slot;
        }
        for (size_t i = 0; i < method->n_params; i++) {
            if (method->params[i].type != PL_PARAM_CHOICE) {
                pl_buf_printf(&known, "%s%s of %s", known.size > 0 ? ", " : "",
                              method->params[i].name, method->name);
            }
        }
    }
    pl_status status = PL_OK;
    if (found == 0) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "target: no method in use has a parameter \"%s\"; there are %s",
                              target->param, known.data != NULL ? known.data : "none");
    } else if (found > 1) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "target: both %s and %s have a parameter %s: say slot=", names[0],
                              names[1], target->param);
    }
    pl_buf_deinit(&known);
    return status;
}

pl_status pl_target_check(const pl_state *state, size_t layer, pl_target *target, pl_error *err)
{
    const char *name = pl_model_layer(state->source->model, layer)->name;
    const bool rounds = pl_state_spec(state, layer, PL_SLOT_ROUND)->method != NULL;
    pl_status status = target->param[0] == '\0' ? find_telling(state, layer, target, err)
                                                : find_param(state, layer, target, err);
    if (status != PL_OK) {
        return status;
    }
    pl_spec spec = *pl_state_spec(state, layer, target->slot);
    const size_t index = pl_method_param(spec.method, target->param);
    const pl_param *param = &spec.method->params[index];
    if (param->type == PL_PARAM_CHOICE) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "target: %s of %s is a choice, only a number can be searched for",
                            param->name, spec.method->name);
    }
    status = pl_spec_check_used("target", &spec, index, err);
    if (status != PL_OK) {
        return status;
    }
    if (target->goal == PL_GOAL_ROUNDED_ERROR && !rounds) {
        return pl_error_set(err, PL_ERR_STATE,
                            "target: %s: rounded_error needs a method that rounds, e.g. `method "
                            "gptq bits=4`",
                            name);
    }
    return PL_OK;
}

/* --- searching -------------------------------------------------------------------------------- */

typedef struct seeker {
    pl_lab *lab;
    const pl_target *target;
    pl_state state; /* a copy, in which the layer has a spec of its own */
    size_t layer, index;
    pl_spec spec;
    pl_target_found *out;
} seeker;

/* The parameter's own range, where it may be 0 as a ruler shows it; a strength's useful one. */
static pl_status take_range(seeker *s, pl_search *search, pl_task *task, pl_error *err)
{
    const pl_param *param = &s->spec.method->params[s->index];
    const bool strength = s->spec.method->strength != NULL && param->telling;
    search->low = param->minimum;
    search->high = param->maximum;
    search->logarithmic = param->logarithmic;
    search->whole = param->type == PL_PARAM_INT;
    if (search->logarithmic && !(search->low > 0.0)) {
        const double usual = param->initial > 0.0 ? param->initial : 1.0;
        search->low = search->whole ? 1.0 : usual * 1e-3;
    }
    if (!strength) {
        return PL_OK;
    }
    pl_strength range;
    pl_status status =
        pl_layer_strength((pl_context){s->lab, &s->state, task}, s->layer, &range, err);
    if (status == PL_OK && range.low > search->low && range.zero > range.low) {
        search->low = fmax(search->low, pl_round_digits(range.low));
        search->high = fmin(search->high, pl_round_digits(range.zero));
    }
    return status;
}

pl_status pl_target_set(pl_state *state, size_t layer, pl_slot slot, const pl_spec *spec,
                        pl_error *err)
{
    const pl_model *model = state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    pl_status status = PL_OK;
    if (slot != PL_SLOT_TRANSFORM) {
        return pl_state_set_override(state, slot, pl_model_layer(model, layer)->name, spec, err);
    }
    for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
        const char *name = pl_model_layer(model, site->layers[i])->name;
        status = pl_state_set_override(state, slot, name, spec, err);
    }
    return status;
}

static pl_status set_sought_value(seeker *s, double value, pl_error *err)
{
    pl_status status = pl_spec_set_number(&s->spec, s->target->param, value, err);
    return status == PL_OK ? pl_target_set(&s->state, s->layer, s->target->slot, &s->spec, err)
                           : status;
}

/* One value: its solve, of which the best one is kept. */
static pl_status evaluate_value(seeker *s, pl_search *search, double value, pl_task *task,
                                pl_error *err)
{
    pl_solve_report report;
    pl_id result = {0};
    pl_status status = set_sought_value(s, value, err);
    PL_THEN(pl_solve_layer((pl_context){s->lab, &s->state, task}, s->layer, &report, &result, err));
    if (status != PL_OK) {
        return status;
    }
    const double number = goal_number(s->target->goal, &report);
    pl_search_tell(search, value, number);
    s->out->solves++;
    if (isfinite(number) && search->best + 1 == search->count) {
        s->out->value = value;
        s->out->reached = number;
        s->out->report = report;
        s->out->result = result;
        s->out->spec = s->spec;
    }
    return isfinite(number)
               ? PL_OK
               : pl_error_set(err, PL_ERR_STATE, "%s: its solve with %s=%.4g gives no %s",
                              pl_model_layer(s->state.source->model, s->layer)->name,
                              s->target->param, value, pl_goals[s->target->goal].words);
}

static pl_status search_layer(seeker *s, pl_task *task, pl_error *err)
{
    const pl_target *target = s->target;
    pl_search search = {.least = target->least,
                        .want = target->want,
                        .tolerance = target->least ? NEAR_LEAST : NEAR,
                        .start = s->spec.values[s->index]};
    pl_piece piece;
    pl_piece_init(&piece, task, "solves", PL_SEARCH_MOST);
    pl_status status = take_range(s, &search, &piece.task, err);
    for (double value = 0.0; status == PL_OK && pl_search_next(&search, &value);) {
        status = evaluate_value(s, &search, value, &piece.task, err);
        pl_piece_step(&piece);
    }
    s->out->end = search.end;
    return status;
}

pl_status pl_target_search(pl_context cx, size_t layer, const pl_target *target,
                           pl_target_found *out, pl_error *err)
{
    pl_target checked = *target;
    seeker s = {.lab = cx.lab, .target = &checked, .layer = layer, .out = out};
    *out = (pl_target_found){.report = pl_solve_report_empty()};
    pl_status status = pl_target_check(cx.state, layer, &checked, err);
    if (status != PL_OK) {
        return status;
    }
    s.spec = *pl_state_spec(cx.state, layer, checked.slot);
    s.index = pl_method_param(s.spec.method, checked.param);
    status = pl_state_copy(&s.state, cx.state, err);
    if (status == PL_OK) {
        status = search_layer(&s, cx.task, err);
        pl_state_deinit(&s.state);
    }
    return status;
}

/* --- in words --------------------------------------------------------------------------------- */

/* "-40 %", "1 %", "5.5e-3". */
static void put_goal(pl_goal goal, double number, pl_buf *out)
{
    char text[PL_NUMBER_TEXT];
    const double percent = 100.0 * number;
    if (pl_goals[goal].falls) {
        pl_buf_printf(out, "%s%.3g %%", percent > 0.0 ? "-" : "+", fabs(percent));
    } else if (percent >= 0.1) {
        pl_buf_printf(out, "%.3g %%", percent);
    } else {
        pl_format_number(number, text);
        pl_buf_puts(out, text);
    }
}

/* As a person can give it to the method. */
static void put_target_value(const pl_target *target, double value, pl_buf *out)
{
    char text[PL_EXACT_TEXT];
    pl_format_exact(value, text);
    pl_buf_printf(out, "%s %s", target->param, text);
}

void pl_target_say(const pl_target *target, const pl_layer *layer, const pl_target_found *found,
                   pl_buf *out)
{
    char name[80];
    char gap[PL_NUMBER_TEXT];
    const char *solves = found->solves == 1 ? "solve" : "solves";
    const char *words = pl_goals[target->goal].words;
    pl_layer_short(layer, false, name, sizeof name);
    pl_buf_printf(out, "%s: ", name);
    if (found->end == PL_SEARCH_BEYOND) {
        pl_buf_printf(out, "%s ", words);
        put_goal(target->goal, target->want, out);
        pl_buf_printf(out, " is not reached: the %s is ",
                      found->reached < target->want ? "most" : "least");
        put_goal(target->goal, found->reached, out);
        pl_buf_puts(out, ", at ");
        put_target_value(target, found->value, out);
        pl_buf_printf(out, " (%zu %s)", found->solves, solves);
        return;
    }
    put_target_value(target, found->value, out);
    pl_buf_printf(out, ", %s ", words);
    put_goal(target->goal, found->reached, out);
    if (isfinite(found->report.gap)) {
        pl_format_number(100.0 * fmax(found->report.gap, (double)FLT_EPSILON), gap);
        pl_buf_printf(out, ", gap \u2264 %s %%", gap);
    }
    pl_buf_printf(out, ", %zu %s%s", found->solves, solves,
                  found->end == PL_SEARCH_NEAREST ? ": as near as it comes" : "");
}
