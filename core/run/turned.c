#include "core/run/turned.h"

#include "core/run/transformed.h"

pl_status pl_turned_values(pl_lab *lab, const pl_state *state, pl_id calibration, size_t layer,
                           pl_side side, pl_mat *out, pl_task *task, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_site_stats stats = {0};
    if (side == PL_SIDE_WEIGHT) {
        pl_status status = pl_mat_init(out, info->rows, info->cols, err);
        return status == PL_OK ? pl_model_read_weight(state->source->model, layer, out->data, err)
                               : status;
    }
    pl_status status = pl_lab_load_site(lab, state, calibration, info->site, PL_GRAM_NONE, true,
                                        &stats, task, err);
    if (status == PL_OK && stats.sample_rows == 0) {
        status = pl_error_set(err, PL_ERR_STATE, "%s: no rows of its input are stored", info->name);
    }
    if (status == PL_OK) {
        status =
            pl_mat_copy(out, (pl_view){stats.sample, stats.sample_rows, stats.n, stats.n}, err);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

pl_status pl_turned_turn(pl_lab *lab, const pl_state *state, pl_id calibration, size_t layer,
                         pl_side side, const pl_spec *spec, pl_mat *values, bool *turned,
                         bool *keeps, pl_task *task, pl_error *err)
{
    pl_transform *t = NULL;
    pl_id key;
    *turned = false;
    *keeps = true;
    pl_status status =
        pl_site_transform_now(lab, state, calibration, layer, spec, &t, &key, task, err);
    if (status == PL_OK && t != NULL) {
        *turned = true;
        *keeps = !pl_transform_get_cost(t).online;
        status = side == PL_SIDE_INPUT
                     ? pl_transform_inputs(t, values->data, values->rows, task, err)
                     : pl_transform_weights(t, values->data, values->rows, task, err);
    }
    pl_transform_destroy(t);
    return status;
}
