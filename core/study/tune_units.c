/* Tuning by a pool: what all of its units are told, of whichever kind. */
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/tune_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a search in JSON ------------------------------------------------------------------------- */

static json_t *describe_tuning(const pl_tuning *t)
{
    json_t *params = json_array();
    for (size_t p = 0; p < t->n_params; p++) {
        json_t *values = json_array();
        for (size_t i = 0; i < t->params[p].count; i++) {
            pl_json_append(values, json_string(t->params[p].values[i]));
        }
        pl_json_append(params,
                       json_pack("{s:s, s:o}", "name", t->params[p].name, "values", values));
    }
    return json_pack("{s:o, s:b, s:i, s:i, s:b, s:s?, s:b, s:b, s:i, s:I, s:I}", "params", params,
                     "any_slot", (int)t->any_slot, "slot", (int)t->slot, "unit", (int)t->unit,
                     "whole", (int)t->whole, "glob", t->glob, "by_kl", (int)t->by_kl, "sequential",
                     (int)t->sequential, "protocol", (int)t->text.protocol, "length",
                     (json_int_t)t->text.length, "windows", (json_int_t)t->text.windows);
}

static bool flag_of(const json_t *what, const char *name)
{
    return json_is_true(json_object_get(what, name));
}

static pl_status read_param(const json_t *from, pl_tune_param *out, pl_error *err)
{
    const char *name = json_string_value(json_object_get(from, "name"));
    const json_t *values = json_object_get(from, "values");
    bool fits = name != NULL && strlen(name) < sizeof out->name &&
                json_array_size(values) <= PL_TUNE_VALUES;
    out->count = fits ? json_array_size(values) : 0;
    snprintf(out->name, sizeof out->name, "%s", fits ? name : "");
    for (size_t i = 0; fits && i < out->count; i++) {
        const char *value = json_string_value(json_array_get(values, i));
        fits = value != NULL && strlen(value) < PL_TUNE_TEXT;
        snprintf(out->values[i], PL_TUNE_TEXT, "%s", fits ? value : "");
    }
    return fits ? PL_OK : pl_error_set(err, PL_ERR_FORMAT, "tune: a parameter is not readable");
}

/* The name's text is borrowed from the description. */
static pl_status read_tuning(const json_t *from, const pl_state *state, pl_tuning *out,
                             pl_error *err)
{
    const json_t *params = json_object_get(from, "params");
    *out = (pl_tuning){.n_params = json_array_size(params),
                       .any_slot = flag_of(from, "any_slot"),
                       .slot = (pl_slot)pl_pool_read_size(from, "slot"),
                       .unit = (pl_unit)pl_pool_read_size(from, "unit"),
                       .whole = flag_of(from, "whole"),
                       .glob = json_string_value(json_object_get(from, "glob")),
                       .by_kl = flag_of(from, "by_kl"),
                       .sequential = flag_of(from, "sequential"),
                       .text = {.protocol = (pl_ppl_protocol)pl_pool_read_size(from, "protocol"),
                                .length = pl_pool_read_size(from, "length"),
                                .windows = pl_pool_read_size(from, "windows")}};
    if (out->n_params > PL_TUNE_PARAMS || out->slot >= PL_SLOT_COUNT || out->unit > PL_UNIT_SITE) {
        return pl_error_set(err, PL_ERR_FORMAT, "tune: a search is not readable");
    }
    pl_status status = PL_OK;
    for (size_t p = 0; status == PL_OK && p < out->n_params; p++) {
        status = read_param(json_array_get(params, p), &out->params[p], err);
    }
    return status == PL_OK ? pl_tune_check(state, out, err) : status;
}

/* --- running one ---------------------------------------------------------------------------- */

static pl_status check_layers(const json_t *layers, const pl_model *model, pl_error *err)
{
    const size_t count = pl_model_layer_count(model);
    size_t i;
    json_t *layer;
    json_array_foreach(layers, i, layer)
    {
        const json_int_t which = json_integer_value(layer);
        if (which < 0 || (uint64_t)which >= count) {
            return pl_error_set(err, PL_ERR_USAGE, "tune: layer %lld of %zu", (long long)which,
                                count);
        }
    }
    return PL_OK;
}

pl_status pl_tune_unit(pl_context cx, const json_t *what, pl_tune_work *work, pl_error *err)
{
    const pl_id text = pl_pool_read_id(what, "tokens");
    pl_tuning tuning;
    pl_tuned out = {0};
    int32_t *ids = NULL;
    pl_tuner t = {.cx = cx, .tuning = &tuning, .out = &out};
    pl_status status = read_tuning(json_object_get(what, "tuning"), cx.state, &tuning, err);
    if (status == PL_OK && !pl_id_equal(text, (pl_id){0})) {
        status = pl_pool_get_tokens(cx.lab, text, &ids, &t.n_ids, err);
        t.ids = ids;
    }
    PL_THEN(pl_tuner_begin(&t, err));
    PL_THEN(check_layers(json_object_get(what, "layers"), cx.state->source->model, err));
    PL_THEN(work(&t, what, err));
    pl_tuner_end(&t);
    pl_tuned_deinit(&out);
    free(ids);
    return status;
}

/* --- having them run -------------------------------------------------------------------------- */

pl_status pl_tune_run_units(pl_tuner *t, const pl_unit_kind *kind, json_t *list, pl_task *task,
                            pl_error *err)
{
    pl_units units = {.kind = kind, .list = list, .total = (double)json_array_size(list)};
    pl_status status = PL_OK;
    if (t->tuning->by_kl && pl_id_equal(t->tokens, (pl_id){0})) {
        status = pl_pool_put_tokens(t->cx.lab, t->ids, t->n_ids, &t->tokens, err);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *unit = json_array_get(list, i);
        pl_json_set(unit, "tuning", describe_tuning(t->tuning));
        pl_json_set(unit, "tokens", pl_pool_id(t->tokens));
    }
    if (status != PL_OK) {
        json_decref(list);
        return status;
    }
    status = pl_pool_run((pl_context){t->cx.lab, t->cx.state, task}, &units, err);
    json_decref(units.answers);
    return status;
}
