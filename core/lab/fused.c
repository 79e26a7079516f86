#include "core/lab/fused.h"

#include "core/lab/lab_parts.h"
#include "core/lab/transformed.h"
#include "core/lab/weights.h"

#include <math.h>

pl_status pl_fused_most(pl_context cx, size_t layer, const pl_transform *t, const pl_bench *bench,
                        float *out, pl_error *err)
{
    pl_model *model = cx.state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    pl_lab_bench *kept = bench != NULL ? bench->hold : NULL;
    pl_status status = PL_OK;
    const bool shares = pl_spec_shares_scale(pl_state_spec(cx.state, layer, PL_SLOT_ROUND));
    *out = shares && kept != NULL ? kept->fused_most : 0.0f;
    if (!shares || *out > 0.0f) {
        return PL_OK;
    }
    bool by_inputs = true; /* what turns outputs is not in the bench's key */
    for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
        pl_mat w = {0};
        by_inputs = by_inputs && pl_layer_outputs(cx.state, site->layers[i], t) == NULL;
        status =
            pl_weights_make(cx, site->layers[i],
                            (pl_weights_of){.which = PL_WHICH_BEFORE, .transform = t}, &w, err);
        for (size_t e = 0; status == PL_OK && e < w.rows * w.cols; e++) {
            *out = fmaxf(*out, fabsf(w.data[e]));
        }
        pl_mat_deinit(&w);
    }
    if (status == PL_OK && kept != NULL && by_inputs) {
        kept->fused_most = *out;
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
