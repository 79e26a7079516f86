#include "core/lab/online.h"

#include "core/model/stream.h"

pl_online pl_site_online(const pl_state *state, const pl_site *site, const pl_transform *t)
{
    const pl_transform_cost cost = pl_transform_get_cost(t);
    const char *fold = cost.merged ? "the weights before and behind"
                                   : pl_model_input_fold(state->source->model, site);
    const bool diagonal_online = cost.folds_diagonal && fold == NULL;
    const double n = (double)site->cols;
    double rows = 0.0;
    for (size_t i = 0; i < site->n_layers; i++) {
        rows += (double)pl_model_layer(state->source->model, site->layers[i])->rows;
    }
    pl_online out = {
        .online = cost.online || diagonal_online,
        .folds = cost.folds_diagonal || cost.merged,
        .fold = fold,
        .flops = cost.flops + (diagonal_online ? n : 0.0),
        .bytes = cost.bytes + (diagonal_online ? n * sizeof(float) : 0.0),
    };
    /* Learned on a block, P_v is in v's rows and o's columns, and P_h is left beside T. */
    const pl_config *config = pl_model_config(state->source->model);
    const double square = (double)(config->head_dim * config->head_dim);
    const pl_spec *spec = pl_state_spec(state, site->layers[0], PL_SLOT_TRANSFORM);
    if (pl_spec_is_of_block(spec) && site->role == PL_SITE_O) {
        out.flops -= 2.0 * n * (double)config->head_dim;
        out.bytes -= square * sizeof(float);
    }
    if (pl_spec_is_of_block(spec) && pl_transform_keys(t) != NULL) {
        out.flops += 2.0 * square * (double)(config->heads + config->kv_heads);
        out.bytes += 2.0 * square * sizeof(float);
    }
    out.share = out.flops / (2.0 * n * rows);
    return out;
}
