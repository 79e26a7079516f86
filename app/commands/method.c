/* method: which method fills a slot, for all layers or some. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/base/nearest.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void put_method(json_t *result, pl_slot slot, const pl_spec *spec, const char *glob)
{
    pl_json_set(result, "slot", json_string(pl_slot_name(slot)));
    json_t *parameters = json_object();
    for (size_t i = 0; spec->method != NULL && i < spec->method->n_params; i++) {
        pl_json_set(parameters, spec->method->params[i].name, pl_param_json(spec, i));
    }
    pl_json_set(result, "parameters", parameters);
    pl_json_set(result, "on", glob != NULL ? json_string(glob) : json_null());
}

static size_t matching_layers(const pl_state *state, const char *glob)
{
    size_t count = 0;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        count += pl_model_layer_matches(state->source->model, i, glob);
    }
    return count;
}

static pl_status add_override(pl_state *state, pl_slot slot, const pl_spec *spec, const char *glob,
                              pl_error *err)
{
    if (matching_layers(state, glob) == 0) {
        return pl_error_set(err, PL_ERR_NOT_FOUND,
                            "method: on=%s matches no layer, expected a glob over names such as "
                            "*.down_proj",
                            glob);
    }
    return pl_state_set_override(state, slot, glob, spec, err);
}

static pl_status unknown_method(const char *name, pl_error *err)
{
    pl_buf known = {0};
    pl_nearest near = pl_nearest_to(name);
    char hint[PL_NEAREST_HINT];
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        pl_buf_printf(&known, "%s, ", (*m)->name);
        pl_nearest_try(&near, (*m)->name);
    }
    pl_status status = pl_error_set(
        err, PL_ERR_USAGE, "method: no method is named \"%s\", expected one of %snone%s", name,
        known.data != NULL ? known.data : "", pl_nearest_hint(&near, " (", ")", hint));
    pl_buf_deinit(&known);
    return status;
}

/* Those that the others follow, or the others. */
static pl_status set_parameters(const pl_call *call, bool leading, pl_spec *spec, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < call->n_keys; i++) {
        const char *name = call->names[i];
        if (strcmp(name, "on") != 0 && strcmp(name, "slot") != 0 &&
            pl_method_leads(spec->method, name) == leading) {
            status = pl_spec_set(spec, name, call->values[i], err);
        }
    }
    return status;
}

/* The value of a key's parameter; NaN where the key is none. */
static double value_of(const pl_spec *spec, const char *name)
{
    const size_t i = spec->method != NULL ? pl_method_param(spec->method, name) : SIZE_MAX;
    return i != SIZE_MAX ? spec->values[i] : (double)NAN;
}

/* Two words of which one takes back the other, as target= does beta=: one was said in vain. */
static pl_status check_said(const pl_call *call, const pl_spec *spec, pl_error *err)
{
    for (size_t i = 0; i < call->n_keys; i++) {
        for (size_t k = 0; k < call->n_keys; k++) {
            pl_spec both = *spec;
            if (k == i || isnan(value_of(spec, call->names[i])) ||
                pl_spec_set(&both, call->names[i], call->values[i], NULL) != PL_OK) {
                continue;
            }
            const double said = value_of(&both, call->names[i]);
            if (pl_spec_set(&both, call->names[k], call->values[k], NULL) == PL_OK &&
                (said < value_of(&both, call->names[i]) ||
                 said > value_of(&both, call->names[i]))) {
                return pl_error_set(err, PL_ERR_USAGE,
                                    "method %s: %s=%s and %s=%s exclude each other: leave one out",
                                    spec->method->name, call->names[i], call->values[i],
                                    call->names[k], call->values[k]);
            }
        }
    }
    return PL_OK;
}

static pl_status apply_method(pl_call *call, pl_state *state, pl_error *err)
{
    const char *name = call->words[0];
    const char *glob = pl_call_value(call, "on");
    pl_spec spec = {0};
    size_t slot = PL_SLOT_COUNT;
    pl_status status = pl_usage_choice(call, "slot", &slot, err);
    if (status != PL_OK) {
        return status;
    }
    if (strcmp(name, "none") == 0) {
        if (slot == PL_SLOT_COUNT) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "method none: needs slot=transform, precondition or round");
        }
    } else {
        const pl_method *method = pl_method_find(name);
        if (method == NULL) {
            return unknown_method(name, err);
        }
        if (slot != PL_SLOT_COUNT && slot != method->slot) {
            return pl_error_set(err, PL_ERR_USAGE, "method %s: fills the slot %s, not %s", name,
                                pl_slot_name(method->slot), pl_slot_name((pl_slot)slot));
        }
        slot = method->slot;
        spec = pl_spec_default(method);
        pl_spec_follow_format(&spec, &(pl_spec){0}, &state->slots[PL_SLOT_ROUND]);
    }
    status = set_parameters(call, true, &spec, err);
    PL_THEN(set_parameters(call, false, &spec, err));
    PL_THEN(check_said(call, &spec, err));
    if (status != PL_OK) {
        return status;
    }
    if (glob != NULL) {
        status = add_override(state, (pl_slot)slot, &spec, glob, err);
    }
    if (status == PL_OK && spec.method != NULL) {
        pl_state_drop_suggestion(state);
    }
    if (status == PL_OK && glob == NULL) {
        pl_state_drop_overrides(state, (pl_slot)slot); /* on=GLOB ends with it */
        const pl_spec before = state->slots[PL_SLOT_ROUND];
        state->slots[slot] = spec;
        status = pl_state_follow_format(state, &before, err);
    }
    state->suggested = state->suggested && status != PL_OK; /* `none` takes from what was there */
    if (status == PL_OK) {
        pl_state_drop_imports(state, glob); /* the method takes their place */
        put_method(call->result, (pl_slot)slot, &spec, glob);
    }
    return status;
}

static const pl_key method_keys[] = {
    {"on", PL_KEY_TEXT, NULL, NULL, "only for layers whose name matches this glob"},
    {"slot", PL_KEY_CHOICE, NULL, "transform|precondition|round", "with `none`: which to empty"},
    {0},
};

const pl_command pl_command_method = {
    .name = "method",
    .positional = "METHOD|none",
    .min_words = 1,
    .max_words = 1,
    .keys = method_keys,
    .any_key = true,
    .needs_model = true,
    .summary = "Put a method in its slot: hadamard, astro, gptq, ..., or none slot=...",
    .put_line = pl_line_method,
    .apply = apply_method,
    .sets = true,
    .in_setting = true,
    .put_text = pl_put_setting_text,
    .history = PL_HISTORY_KNOB,
    .rebuild = PL_REBUILD_RUN,
    .tour = PL_TOUR_TURN,
    .follow = pl_follow_methods,
    .more_help = pl_help_methods,
};
