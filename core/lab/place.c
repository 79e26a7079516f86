#include "core/lab/place.h"

#include "core/lab/transformed.h"
#include "core/lab/weights.h"

pl_status pl_place_hold(pl_lab *lab, const pl_state *state, size_t layer, pl_place *out,
                        pl_task *task, pl_error *err)
{
    pl_id key = {0};
    *out = (pl_place){0};
    pl_status status = pl_lab_calibration(lab, state, &out->calibration, task, err);
    PL_THEN(pl_site_transform(lab, state, out->calibration, layer,
                              pl_state_spec(state, layer, PL_SLOT_TRANSFORM), &out->transform, &key,
                              task, err));
    PL_THEN(pl_lab_site_under(lab, state, out->calibration,
                              pl_model_layer(state->source->model, layer)->site, out->transform,
                              key, &out->bench, task, err));
    return status;
}

void pl_place_leave(pl_lab *lab, pl_place *place)
{
    pl_lab_release(lab, &place->bench);
    pl_transform_destroy(place->transform);
    place->transform = NULL;
}

pl_status pl_place_read(const pl_place *place, const pl_state *state, size_t layer, pl_mat *w0,
                        pl_layer_input *out, pl_task *task, pl_error *err)
{
    pl_status status = pl_weights_make(
        NULL, state, layer, (pl_weights_of){.transform = place->transform}, w0, task, err);
    *out = (pl_layer_input){.layer = pl_model_layer(state->source->model, layer)->name,
                            .factors = place->bench.factors,
                            .w = pl_mat_view(w0)};
    return status;
}
