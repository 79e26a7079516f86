/* A setting as JSON: methods, calibration, import, activations and cache. */
#include "core/base/json.h"
#include "core/state/kept.h"

#include "core/base/file.h"

#include <stdlib.h>
#include <string.h>

static json_t *spec_json(pl_slot slot, const pl_spec *spec, const char *glob)
{
    pl_buf text = {0};
    if (spec->method != NULL) {
        pl_spec_format(spec, &text);
    }
    json_t *json = json_pack("{s:s, s:s, s:s?}", "slot", pl_slot_name(slot), "spec",
                             text.data != NULL ? text.data : "", "on", glob);
    pl_buf_deinit(&text);
    return json;
}

static json_t *grid_json(const pl_act_grid *grid, size_t group_size)
{
    return json_pack("{s:i, s:s?, s:b, s:f, s:I, s:s}", "bits", grid->bits, "format",
                     grid->format != NULL ? grid->format->key : NULL, "fixed", (int)grid->fixed,
                     "clip", grid->clip, "group_size", (json_int_t)group_size, "scale_mode",
                     pl_scale_mode_names[grid->scale_mode]);
}

/* What is missing or not understood is off. */
static pl_act_grid grid_of(const json_t *json, size_t *group_size)
{
    const json_int_t bits = json_integer_value(json_object_get(json, "bits"));
    const json_int_t width = json_integer_value(json_object_get(json, "group_size"));
    const double clip = json_number_value(json_object_get(json, "clip"));
    const char *key = json_string_value(json_object_get(json, "format"));
    /* Sessions written before there was a table of formats say whether there is a zero point. */
    const pl_format *format = key != NULL ? pl_format_find(key)
                              : json_is_true(json_object_get(json, "asymmetric"))
                                  ? &pl_format_asymmetric
                                  : &pl_format_symmetric;
    *group_size = width > 0 ? (size_t)width : 0;
    if (bits < 2 || bits > 8 || format == NULL || !(clip > 0.0 && clip <= 1.0)) {
        return (pl_act_grid){0};
    }
    return (pl_act_grid){
        .bits = (int)bits,
        .format = format,
        .fixed = json_is_true(json_object_get(json, "fixed")),
        .clip = clip,
        .scale_mode = pl_scale_mode_find(json_string_value(json_object_get(json, "scale_mode")))};
}

json_t *pl_setting_to_json(const pl_state *state)
{
    const pl_calibration *calibration = &state->calibration;
    json_t *texts = json_array();
    for (size_t i = 0; i < calibration->n_texts; i++) {
        pl_json_append(texts, json_string(calibration->texts[i]));
    }
    char key[PL_ID_TEXT] = "";
    if (calibration->known) {
        pl_id_format(calibration->key, key);
    }
    json_t *slots = json_array();
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        pl_json_append(slots, spec_json(slot, &state->slots[slot], NULL));
    }
    for (size_t i = 0; i < state->n_overrides; i++) {
        const pl_override *over = &state->overrides[i];
        pl_json_append(slots, spec_json(over->slot, &over->spec, over->glob));
    }
    const pl_protocol *protocol = &calibration->protocol;
    char imported[PL_ID_TEXT] = "";
    pl_id_format(state->imported.id, imported);
    return json_pack(
        "{s:s?, s:s, s:{s:o, s:I, s:I, s:i, s:I, s:I, s:s}, s:o, s:o, s:o, s:b}", "import",
        state->imported.path, "import_id", imported, "calibration", "texts", texts, "length",
        (json_int_t)protocol->length, "windows", (json_int_t)protocol->windows, "sample",
        (int)protocol->sample, "seed", (json_int_t)protocol->seed, "rows",
        (json_int_t)protocol->rows, "key", key, "slots", slots, "activations",
        grid_json(&state->activations, state->activations.group_size), "kv",
        grid_json(&state->kv, state->kv_group_size), "suggested", (int)state->suggested);
}

static pl_status restore_slots(pl_state *state, const json_t *slots, pl_error *err)
{
    size_t index;
    json_t *item;
    json_array_foreach(slots, index, item)
    {
        const char *slot_name = json_string_value(json_object_get(item, "slot"));
        const char *text = json_string_value(json_object_get(item, "spec"));
        const char *glob = json_string_value(json_object_get(item, "on"));
        pl_slot slot = 0;
        while (slot < PL_SLOT_COUNT &&
               (slot_name == NULL || strcmp(pl_slot_name(slot), slot_name) != 0)) {
            slot++;
        }
        if (slot == PL_SLOT_COUNT || text == NULL) {
            return pl_error_set(err, PL_ERR_FORMAT, "session: slot %zu is not readable", index);
        }
        pl_spec spec;
        pl_status status = pl_spec_parse("session", text, &spec, err);
        if (status == PL_OK && spec.method != NULL && spec.method->slot != slot) {
            status = pl_error_set(err, PL_ERR_FORMAT, "session: %s is no method of the slot %s",
                                  spec.method->name, slot_name);
        }
        if (status != PL_OK) {
            return status;
        }
        if (glob == NULL) {
            state->slots[slot] = spec;
        } else {
            status = pl_state_set_override(state, slot, glob, &spec, err);
            if (status != PL_OK) {
                return status;
            }
        }
    }
    return PL_OK;
}

static pl_status restore_calibration(pl_state *state, const json_t *json, pl_error *err)
{
    const char *texts[PL_MAX_TEXTS];
    size_t n = 0;
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(json, "texts"), index, item)
    {
        if (n < PL_MAX_TEXTS && json_is_string(item)) {
            texts[n++] = json_string_value(item);
        }
    }
    pl_protocol protocol = {
        .length = (size_t)json_integer_value(json_object_get(json, "length")),
        .windows = (size_t)json_integer_value(json_object_get(json, "windows")),
        .sample = json_integer_value(json_object_get(json, "sample")) == PL_SAMPLE_RANDOM
                      ? PL_SAMPLE_RANDOM
                      : PL_SAMPLE_FIRST,
        .seed = (uint64_t)json_integer_value(json_object_get(json, "seed")),
        .rows = (size_t)json_integer_value(json_object_get(json, "rows")),
    };
    if (protocol.length < 2 || protocol.windows < 1 || protocol.rows > PL_MOST_ROWS) {
        return pl_error_set(err, PL_ERR_FORMAT, "session: the calibration's windows are missing");
    }
    /* The demo's own text is found again where this build keeps it. */
    if (state->source->demo != NULL && n == 1 &&
        strcmp(pl_path_name(texts[0]), "calibration.txt") == 0) {
        state->calibration.protocol = protocol;
    } else {
        pl_status status = pl_calibration_set(&state->calibration, texts, n, &protocol, err);
        if (status != PL_OK) {
            return status;
        }
    }
    const char *key = json_string_value(json_object_get(json, "key"));
    state->calibration.known = key != NULL && pl_id_parse(key, &state->calibration.key);
    return PL_OK;
}

/* Before the solved layers, of which some may be imported. */
static pl_status restore_import(pl_state *state, const json_t *json, pl_error *err)
{
    const char *path = json_string_value(json_object_get(json, "import"));
    const char *text = json_string_value(json_object_get(json, "import_id"));
    pl_id id = {0};
    return path != NULL && text != NULL && pl_id_parse(text, &id)
               ? pl_state_set_import(state, path, id, err)
               : PL_OK;
}

/* same: the model is the one that the results are of. */
static void restore_solved(pl_state *state, const json_t *list, bool same)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *name = json_string_value(json_array_get(item, 0));
        const char *plan = json_string_value(json_array_get(item, 1));
        const char *result = json_string_value(json_array_get(item, 2));
        size_t layer = 0;
        pl_solved solved = {.set = true,
                            .sequential = json_is_true(json_array_get(item, 3)),
                            .imported = json_is_true(json_array_get(item, 4))};
        const bool from_somewhere = !solved.imported || !same || state->imported.path != NULL;
        if (from_somewhere && name != NULL && plan != NULL && result != NULL &&
            pl_id_parse(plan, &solved.plan) && pl_id_parse(result, &solved.result) &&
            pl_model_find_layer(state->source->model, name, &layer, NULL) == PL_OK) {
            const bool foreign = !same || json_is_true(json_array_get(item, 5));
            state->solved[layer] = foreign ? (pl_solved){.foreign = true} : solved;
        }
    }
}

/* A session of before there was a suggestion, in which nobody has named a method, has it, too. */
static void restore_suggestion(pl_state *state, const json_t *suggested)
{
    bool empty = state->n_overrides == 0;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        empty = empty && state->slots[slot].method == NULL;
    }
    if (suggested == NULL && empty) {
        pl_state_default_methods(state);
    }
    state->suggested = state->suggested || json_is_true(suggested);
}

pl_status pl_setting_restore(pl_state *state, const json_t *json, bool same, pl_error *err)
{
    pl_status status = restore_slots(state, json_object_get(json, "slots"), err);
    if (status == PL_OK) {
        restore_suggestion(state, json_object_get(json, "suggested"));
        status = restore_calibration(state, json_object_get(json, "calibration"), err);
    }
    if (status == PL_OK && same) {
        status = restore_import(state, json, err);
    }
    if (status != PL_OK) {
        return status;
    }
    state->calibration.foreign = state->calibration.known && !same;
    state->calibration.known = state->calibration.known && same;
    restore_solved(state, json_object_get(json, "solved"), same);
    size_t group_size = 0;
    state->activations = grid_of(json_object_get(json, "activations"), &group_size);
    state->activations.group_size = group_size;
    state->kv = grid_of(json_object_get(json, "kv"), &state->kv_group_size);
    return PL_OK;
}
