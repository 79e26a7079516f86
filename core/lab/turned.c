#include "core/lab/turned.h"

#include "core/lab/results.h"
#include "core/lab/transformed.h"
#include "core/lab/weights.h"

#include <stdio.h>

pl_status pl_turned_values(pl_context cx, pl_id calibration, size_t layer, pl_side side,
                           pl_mat *out, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    pl_site_stats stats = {0};
    if (side == PL_SIDE_WEIGHT) {
        return pl_weights_make((pl_context){cx.lab, cx.state, NULL}, layer,
                               (pl_weights_of){.which = PL_WHICH_BEFORE}, out, err);
    }
    pl_status status =
        pl_lab_load_site(cx, calibration, info->site, PL_GRAM_NONE, true, &stats, err);
    if (status == PL_OK && stats.sample_rows == 0) {
        status = pl_error_set(err, PL_ERR_STATE, "%s: no rows of its input are stored", info->name);
    }
    PL_THEN(pl_mat_copy(out, (pl_view){stats.sample, stats.sample_rows, stats.n, stats.n}, err));
    pl_site_stats_deinit(&stats);
    return status;
}

pl_status pl_turned_turn(pl_context cx, pl_id calibration, size_t layer, pl_side side,
                         const pl_spec *spec, pl_mat *values, bool *turned, bool *keeps,
                         pl_error *err)
{
    pl_transform *t = NULL;
    pl_id key;
    *turned = false;
    *keeps = true;
    pl_status status = pl_site_transform_now(cx, calibration, layer, spec, &t, &key, err);
    if (status == PL_OK && t != NULL) {
        *turned = true;
        *keeps = pl_transform_keeps_channels(t);
        status = side == PL_SIDE_INPUT
                     ? pl_transform_inputs(t, values->data, values->rows, cx.task, err)
                     : pl_layer_turn(cx.state, layer, t, values->data, cx.task, err);
    }
    pl_transform_destroy(t);
    return status;
}

/* What the layer was solved with; nothing where it is not solved, or imported. */
static pl_status read_parts(pl_lab *lab, const pl_state *state, size_t layer, pl_result *out,
                            pl_error *why)
{
    const pl_id *result = pl_state_result(state, layer);
    *out = (pl_result){0};
    return result == NULL || pl_state_is_imported(state, layer)
               ? PL_OK
               : pl_result_read(lab, state, layer, *result, out, NULL, why);
}

pl_status pl_turned_handed(pl_lab *lab, const pl_state *state, size_t layer, pl_mat *out,
                           pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_result parts = {0};
    pl_error why = {0};
    *out = (pl_mat){0};
    pl_status status = read_parts(lab, state, layer, &parts, &why);
    if (status == PL_OK && !parts.has_preconditioned) {
        return PL_OK;
    }
    PL_THEN(pl_mat_init(out, info->rows, info->cols, &why));
    PL_THEN(pl_result_read_preconditioned(lab, parts.preconditioned, NULL, out, NULL, &why));
    if (status != PL_OK) {
        pl_mat_deinit(out);
        return pl_result_unreadable(lab, info->name, "its solved weights are", "solve", status,
                                    &why, err);
    }
    return PL_OK;
}

/* The transform of the layer's result, NULL where it has none. */
static pl_status read_solved_transform(pl_context cx, size_t layer, pl_transform **out,
                                       pl_error *err)
{
    pl_result parts = {0};
    pl_error why = {0};
    *out = NULL;
    pl_status status = read_parts(cx.lab, cx.state, layer, &parts, &why);
    if (status == PL_OK && parts.has_transform) {
        status = pl_transform_read(cx.lab, cx.state, layer, parts.transform, out);
    }
    return status == PL_OK
               ? PL_OK
               : pl_result_unreadable(cx.lab, pl_model_layer(cx.state->source->model, layer)->name,
                                      "its solved weights are", "solve", status, &why, err);
}

pl_status pl_turned_to_round(pl_context cx, size_t layer, pl_mat *out, bool *turned, pl_error *err)
{
    pl_transform *t = NULL;
    *out = (pl_mat){0};
    pl_status status = read_solved_transform(cx, layer, &t, err);
    *turned = t != NULL;
    const pl_weights_of of = {
        .which = PL_WHICH_PRECONDITIONED, .transform = t, .as_solved = t != NULL};
    PL_THEN(pl_weights_make(cx, layer, of, out, err));
    if (status == PL_OK && t != NULL) {
        status = pl_layer_clip(cx.state, layer, t, out->data, cx.task, err);
    }
    if (status != PL_OK) {
        pl_mat_deinit(out);
    }
    pl_transform_destroy(t);
    return status;
}

void pl_turned_handed_label(const pl_state *state, size_t layer, char *out, size_t capacity)
{
    const pl_spec *transform = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    const pl_spec *precondition = pl_state_spec(state, layer, PL_SLOT_PRECONDITION);
    snprintf(out, capacity, "%s%s%s", transform->method != NULL ? transform->method->name : "",
             transform->method != NULL ? " > " : "",
             precondition->method != NULL ? precondition->method->name : "none");
}
