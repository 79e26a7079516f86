#include "core/lab/place.h"

#include "core/lab/transformed.h"
#include "core/lab/weights.h"

pl_status pl_place_hold(pl_context cx, size_t layer, pl_place *out, pl_error *err)
{
    pl_id key = {0};
    *out = (pl_place){0};
    pl_status status = pl_lab_calibration(cx, &out->calibration, err);
    PL_THEN(pl_site_transform(cx, out->calibration, layer,
                              pl_state_spec(cx.state, layer, PL_SLOT_TRANSFORM), &out->transform,
                              &key, err));
    PL_THEN(pl_lab_site_under(cx, out->calibration,
                              pl_model_layer(cx.state->source->model, layer)->site, out->transform,
                              key, &out->bench, err));
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
    pl_status status = pl_weights_make((pl_context){NULL, state, task}, layer,
                                       (pl_weights_of){.transform = place->transform}, w0, err);
    *out = (pl_layer_input){.layer = pl_model_layer(state->source->model, layer)->name,
                            .factors = place->bench.factors,
                            .w = pl_mat_view(w0)};
    return status;
}
