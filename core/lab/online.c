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
        .inputs = cost.online || diagonal_online,
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
    /* Queries are turned with the keys, for which a learned P_h is inverted. */
    out.keys = state->kv.bits > 0 ? pl_transform_keys(t) : NULL;
    if (out.keys != NULL) {
        const pl_transform_cost each = pl_transform_get_cost(out.keys);
        out.heads = config->heads + config->kv_heads;
        out.head_dim = config->head_dim;
        out.flops += each.flops * (double)out.heads;
        out.bytes += (pl_spec_is_of_block(spec) ? 2.0 : 1.0) * each.bytes;
    }
    out.online = out.inputs || out.keys != NULL;
    out.share = out.flops / (2.0 * n * rows);
    return out;
}
