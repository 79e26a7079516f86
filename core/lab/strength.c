#include "core/lab/strength.h"

#include "core/lab/transformed.h"
#include "core/lab/weights.h"

#include <math.h>

pl_status pl_layer_strength(pl_lab *lab, const pl_state *state, size_t layer, pl_strength *out,
                            pl_task *task, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    const pl_spec *spec = pl_state_spec(state, layer, PL_SLOT_PRECONDITION);
    pl_transform *transform = NULL;
    pl_bench bench = {0};
    pl_id calibration = {0}, key = {0};
    pl_mat w0 = {0};
    *out = (pl_strength){(double)NAN, (double)NAN, (double)NAN};
    if (spec->method == NULL || spec->method->strength == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "%s: no preconditioner with a strength is set",
                            info->name);
    }
    pl_status status = pl_lab_calibration(lab, state, &calibration, task, err);
    PL_THEN(pl_site_transform(lab, state, calibration, layer,
                              pl_state_spec(state, layer, PL_SLOT_TRANSFORM), &transform, &key,
                              task, err));
    PL_THEN(
        pl_lab_site_under(lab, state, calibration, info->site, transform, key, &bench, task, err));
    PL_THEN(pl_weights_make(NULL, state, layer, (pl_weights_of){.transform = transform}, &w0, task,
                            err));
    if (status == PL_OK) {
        const pl_layer_input in = {
            .layer = info->name, .factors = bench.factors, .w = pl_mat_view(&w0)};
        status = spec->method->strength(spec, &in, out, task, err);
    }
    pl_mat_deinit(&w0);
    pl_lab_release(lab, &bench);
    pl_transform_destroy(transform);
    return status;
}
