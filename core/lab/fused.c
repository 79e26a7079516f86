#include "core/lab/fused.h"

#include "core/lab/transformed.h"
#include "core/lab/weights.h"

#include <math.h>

pl_status pl_fused_most(pl_context cx, size_t layer, const pl_transform *t, float *out,
                        pl_error *err)
{
    pl_model *model = cx.state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    pl_status status = PL_OK;
    const bool shares = pl_spec_shares_scale(pl_state_spec(cx.state, layer, PL_SLOT_ROUND));
    *out = 0.0f;
    for (size_t i = 0; shares && status == PL_OK && i < site->n_layers; i++) {
        pl_mat w = {0};
        status =
            pl_weights_make(cx, site->layers[i],
                            (pl_weights_of){.which = PL_WHICH_BEFORE, .transform = t}, &w, err);
        for (size_t e = 0; status == PL_OK && e < w.rows * w.cols; e++) {
            *out = fmaxf(*out, fabsf(w.data[e]));
        }
        pl_mat_deinit(&w);
    }
    return status;
}

pl_status pl_fused_key(pl_context cx, size_t layer, pl_id *key, pl_error *err)
{
    pl_model *model = cx.state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    pl_hasher *hasher = NULL;
    if (!pl_spec_shares_scale(pl_state_spec(cx.state, layer, PL_SLOT_ROUND))) {
        return PL_OK;
    }
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        pl_hasher_id(hasher, *key);
    }
    for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
        pl_id weight = {0};
        status = pl_model_layer_identity(model, site->layers[i], &weight, cx.task, err);
        if (status == PL_OK) {
            pl_hasher_id(hasher, weight);
        }
    }
    if (status == PL_OK) {
        *key = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}
