/* A state as JSON, as sessions keep it. */
#include "core/base/json.h"
#include "core/state/state.h"

#include "core/state/kept.h"
#include "core/state/origin.h"
#include "core/state/record.h"
#include "core/state/remarks.h"

static json_t *solved_json(const pl_state *state)
{
    json_t *list = json_array();
    size_t n = state->source != NULL ? pl_model_layer_count(state->source->model) : 0;
    for (size_t i = 0; i < n && state->solved != NULL; i++) {
        const pl_solved *solved = &state->solved[i];
        if (!solved->set && !solved->foreign) {
            continue;
        }
        char plan[PL_ID_TEXT];
        char result[PL_ID_TEXT];
        pl_id_format(solved->plan, plan);
        pl_id_format(solved->result, result);
        pl_json_append(list, json_pack("[s, s, s, b, b, b]",
                                       pl_model_layer(state->source->model, i)->name, plan, result,
                                       (int)solved->sequential, (int)solved->imported,
                                       (int)solved->foreign));
    }
    return list;
}

static json_t *state_json(const pl_state *state)
{
    const pl_source *source = state->source;
    json_t *setting = pl_setting_to_json(state);
    json_t *json = json_pack(
        "{s:i, s:s?, s:s?, s:s?, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "version", 1, "model",
        source != NULL ? source->path : NULL, "inputs", source != NULL ? source->inputs : NULL,
        "layer", source != NULL ? pl_model_layer(source->model, state->layer)->name : NULL, "side",
        (int)state->side, "which", (int)state->which, "display", pl_state_screen_json(state),
        "origin", source != NULL ? pl_origin_json(source) : json_null(), "kept",
        pl_kept_to_json(state), "solved", solved_json(state), "remarks", pl_remarks_to_json(state),
        "measured", source != NULL ? pl_record_to_json(source) : json_null());
    const bool whole = json != NULL && json_object_update(json, setting) == 0;
    json_decref(setting);
    if (!whole) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* A record that lacks something would restore another state. */
json_t *pl_state_to_json(const pl_state *state)
{
    const unsigned before = pl_memory_failures();
    json_t *json = state_json(state);
    if (pl_memory_failures() != before) {
        json_decref(json);
        return NULL;
    }
    return json;
}

pl_status pl_state_restore(pl_state *state, const json_t *json, pl_source *source, pl_error *err)
{
    pl_state_init(state);
    if (json_integer_value(json_object_get(json, "version")) != 1) {
        return pl_error_set(err, PL_ERR_FORMAT, "session: expected a state of version 1");
    }
    bool same = false;
    pl_status status = pl_state_set_source(state, source, err);
    PL_THEN(pl_origin_check(source, json_object_get(json, "origin"), &same, err));
    PL_THEN(pl_setting_restore(state, json, same, err));
    if (status != PL_OK) {
        pl_state_deinit(state);
        return status;
    }
    const char *layer = json_string_value(json_object_get(json, "layer"));
    if (layer == NULL || pl_model_find_layer(source->model, layer, &state->layer, NULL) != PL_OK) {
        state->layer = 0;
    }
    json_int_t side = json_integer_value(json_object_get(json, "side"));
    json_int_t which = json_integer_value(json_object_get(json, "which"));
    state->side = side == PL_SIDE_INPUT ? PL_SIDE_INPUT : PL_SIDE_WEIGHT;
    state->which = which >= 0 && which <= PL_WHICH_BOTH ? (pl_which)which : PL_WHICH_BOTH;
    const json_t *display = json_object_get(json, "display");
    pl_state_screen_restore(state, display);
    pl_remarks_from_json(state, json_object_get(json, "remarks"));
    if (same) {
        pl_kept_from_json(state, json_object_get(json, "kept"), json_object_get(display, "pins"));
        pl_record_from_json(source, json_object_get(json, "measured"));
        pl_record_all(state);
    }
    return PL_OK;
}
