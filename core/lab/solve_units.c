#include "core/lab/solve_units.h"

#include "core/base/json.h"
#include "core/lab/pipeline_parts.h"

/* What rank 0 would not ask for. */
static pl_status check_layer(const pl_state *state, json_int_t layer, pl_id calibration,
                             pl_error *err)
{
    const size_t count = pl_model_layer_count(state->source->model);
    if (layer < 0 || (uint64_t)layer >= count) {
        return pl_error_set(err, PL_ERR_USAGE, "solve: layer %lld of %zu", (long long)layer, count);
    }
    const size_t which = (size_t)layer;
    if (!pl_layer_has_method(state, which) || pl_state_is_imported(state, which) ||
        (pl_id_equal(calibration, (pl_id){0}) && !pl_solve_is_blind(state, which))) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "solve: layer %zu has no method here that works without inputs", which);
    }
    return PL_OK;
}

static pl_status run_layers_unit(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    (void)answer;
    const json_t *layers = json_object_get(what, "layers");
    const pl_id calibration = pl_pool_read_id(what, "calibration");
    size_t i;
    json_t *each;
    pl_status status = PL_OK;
    json_array_foreach(layers, i, each)
    {
        pl_solve_report report;
        pl_id result;
        const json_int_t layer = json_integer_value(each);
        PL_THEN(check_layer(cx.state, layer, calibration, err));
        PL_THEN(pl_solve_under(cx, (size_t)layer, calibration, NULL, &report, &result, err));
    }
    return status;
}

const pl_unit_kind pl_unit_solve = {
    .name = "solve", .counting = "layers", .walks = true, .run = run_layers_unit};

/* What a layer's solve costs beside the others': its factors go with the cube of its columns, its
 * rows with their square. */
static double cost_of(const pl_layer *layer)
{
    const double cols = (double)layer->cols;
    return cols * cols * (cols + (double)layer->rows);
}

/* The unit of the layer before, where it is of the same site. */
static json_t *unit_of_site(const pl_model *model, json_t *list, size_t layer)
{
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    const json_t *first = json_array_get(json_object_get(last, "layers"), 0);
    return last != NULL && pl_model_layer(model, (size_t)json_integer_value(first))->site ==
                               pl_model_layer(model, layer)->site
               ? last
               : NULL;
}

json_t *pl_solve_unit_add(const pl_model *model, json_t *list, size_t layer, double times,
                          bool together)
{
    json_t *unit = together && json_array_size(list) > 0 ? unit_of_site(model, list, layer) : NULL;
    double cost = times * cost_of(pl_model_layer(model, layer));
    if (unit == NULL) {
        unit = json_pack("{s:[]}", "layers");
        pl_json_append(list, unit);
    } else {
        cost += pl_json_number_of(unit, "cost");
    }
    pl_json_append(json_object_get(unit, "layers"), json_integer((json_int_t)layer));
    pl_json_set(unit, "cost", json_real(cost));
    return unit;
}

pl_status pl_solve_in_units(pl_context cx, pl_id calibration, const size_t *layers, size_t n,
                            bool together, double done, pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    pl_status status = PL_OK;
    if (pl_pool_workers(cx.lab) < 2) {
        return PL_OK;
    }
    pl_units units = {.kind = &pl_unit_solve,
                      .list = json_array(),
                      .done = done,
                      .total = (double)pl_model_layer_count(model)};
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        pl_solve_report report;
        pl_id result;
        bool found = false;
        status = pl_solve_find(cx, layers[i], calibration, &found, &report, &result, err);
        if (status == PL_OK && !found) {
            json_t *unit = pl_solve_unit_add(model, units.list, layers[i], 1.0, together);
            pl_json_set(unit, "calibration", pl_pool_id(calibration));
        }
    }
    if (status != PL_OK) {
        json_decref(units.list);
        return status;
    }
    status = pl_pool_run(cx, &units, err);
    json_decref(units.answers);
    return status;
}
