/* set: parameters of the methods in use, by their names alone. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "core/base/json.h"
#include "core/base/nearest.h"

#include <string.h>

static void try_method(const pl_method *method, pl_nearest *near, pl_buf *names)
{
    for (size_t i = 0; method != NULL && i < method->n_params; i++) {
        pl_nearest_try(near, method->params[i].name);
    }
    if (method != NULL) {
        pl_buf_printf(names, "%s%s", names->size > 0 ? ", " : "", method->name);
    }
}

static pl_status unknown_param(const pl_state *state, const char *name, pl_error *err)
{
    pl_nearest near = pl_nearest_to(name);
    char hint[PL_NEAREST_HINT];
    pl_buf names = {0};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        try_method(state->slots[slot].method, &near, &names);
    }
    for (size_t i = 0; i < state->n_overrides; i++) {
        try_method(state->overrides[i].spec.method, &near, &names);
    }
    pl_status status =
        names.size > 0
            ? pl_error_set(err, PL_ERR_USAGE, "set: no method in use (%s) has a parameter \"%s\"%s",
                           names.data, name, pl_nearest_hint(&near, ": ", "", hint))
            : pl_error_set(err, PL_ERR_STATE,
                           "set: no method is in use that could have a parameter \"%s\": choose "
                           "one, e.g. `method gptq`",
                           name);
    pl_buf_deinit(&names);
    return status;
}

static void note_set(json_t *list, pl_slot slot, const pl_spec *spec, const char *name,
                     const char *glob)
{
    const size_t param = pl_method_param(spec->method, name);
    pl_json_append(list, json_pack("{s:s, s:s, s:s, s:o, s:s?}", "slot", pl_slot_name(slot),
                                   "method", spec->method->name, "parameter", name, "value",
                                   pl_param_json(spec, param), "on", glob));
}

/* A parameter as it is typed: a number as short as it reads back. */
static void put_param_value(const json_t *value, pl_buf *out)
{
    if (json_is_string(value)) {
        pl_buf_puts(out, json_string_value(value));
    } else {
        pl_buf_printf(out, "%.10g", json_number_value(value));
    }
}

/* In the methods for all layers and in those of `method ... on=GLOB`. */
static pl_status set_one(pl_state *state, const char *name, const char *value, json_t *list,
                         pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; i < PL_SLOT_COUNT + state->n_overrides && status == PL_OK; i++) {
        pl_override *own = i < PL_SLOT_COUNT ? NULL : &state->overrides[i - PL_SLOT_COUNT];
        const pl_slot slot = own != NULL ? own->slot : (pl_slot)i;
        pl_spec spec = own != NULL ? own->spec : state->slots[slot];
        if (spec.method != NULL && pl_method_param(spec.method, name) != SIZE_MAX) {
            status = pl_spec_set(&spec, name, value, err);
            if (status == PL_OK && own != NULL) {
                status = pl_state_respec(state, i - PL_SLOT_COUNT, &spec, err);
            } else if (status == PL_OK) {
                state->slots[slot] = spec;
            }
            if (status == PL_OK) {
                note_set(list, slot, &spec, name, own != NULL ? own->glob : NULL);
            }
        }
    }
    return status;
}

/* A word that a later one has changed again, as format=nvfp4 does bits=3, was said in vain. */
static pl_status check_kept(const pl_state *state, const json_t *list, pl_error *err)
{
    pl_status status = PL_OK;
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "parameter"));
        const json_t *value = json_object_get(one, "value");
        pl_slot slot = 0;
        while (!pl_json_text_is(one, "slot", pl_slot_name(slot))) {
            slot++;
        }
        const pl_spec *spec = &state->slots[slot];
        if (status != PL_OK || json_is_string(json_object_get(one, "on"))) {
            continue;
        }
        json_t *now = pl_param_json(spec, pl_method_param(spec->method, name));
        if (!json_equal(now, value)) {
            pl_buf said = {0}, is = {0};
            put_param_value(value, &said);
            put_param_value(now, &is);
            status = pl_error_set(err, PL_ERR_USAGE,
                                  "set: %s=%s: what is set beside it makes it %s: leave one out",
                                  name, said.data, is.data);
            pl_buf_deinit(&said);
            pl_buf_deinit(&is);
        }
        json_decref(now);
    }
    return status;
}

static pl_status apply_set(pl_call *call, pl_state *state, pl_error *err)
{
    pl_state next;
    pl_status status = pl_state_copy(&next, state, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_spec rounder = next.slots[PL_SLOT_ROUND];
    json_t *list = json_array();
    for (size_t i = 0; i < call->n_keys && status == PL_OK; i++) {
        const size_t before = json_array_size(list);
        status = set_one(&next, call->names[i], call->values[i], list, err);
        if (status == PL_OK && json_array_size(list) == before) {
            status = unknown_param(&next, call->names[i], err);
        }
    }
    if (status == PL_OK && call->n_keys == 0) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "set: expected a parameter of a method in use, such as bits=3");
    }
    PL_THEN(check_kept(&next, list, err));
    PL_THEN(pl_state_follow_format(&next, &rounder, err));
    if (status != PL_OK) {
        json_decref(list);
        pl_state_deinit(&next);
        return status;
    }
    next.suggested = false; /* they are chosen now */
    pl_state_drop_imports(&next, NULL);
    pl_state_deinit(state);
    *state = next;
    pl_json_set(call->result, "set", list);
    return PL_OK;
}

/* "gptq: bits=3", and where several have it each of them. */
static void put_settings(const pl_call *call, const char *between, pl_buf *out)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(call->result, "set"), i, one)
    {
        const char *glob = json_string_value(json_object_get(one, "on"));
        pl_buf_printf(out, "%s%s: %s=", i > 0 ? between : "",
                      json_string_value(json_object_get(one, "method")),
                      json_string_value(json_object_get(one, "parameter")));
        put_param_value(json_object_get(one, "value"), out);
        pl_buf_printf(out, "%s%s", glob != NULL ? " on " : "", glob != NULL ? glob : "");
    }
}

static void put_set(const pl_call *call, pl_buf *out)
{
    put_settings(call, "\n", out);
    pl_buf_puts(out, "\n");
    pl_put_setting_line(call, out);
}

static void put_set_line(const pl_call *call, pl_buf *out)
{
    put_settings(call, ", ", out);
    pl_put_stored(call, out);
}

const pl_command pl_command_set = {
    .name = "set",
    .positional = "PARAM=VALUE",
    .keys = pl_no_keys,
    .any_key = true,
    .needs_model = true,
    .summary = "Set parameters of the methods in use by their names: bits=3 beta=1e-4; where "
               "several have one, in all of them",
    .apply = apply_set,
    .sets = true,
    .rebuild = PL_REBUILD_RUN,
    .put_text = put_set,
    .put_line = put_set_line,
    .follow = pl_follow_methods,
};
