#include "core/learn/site_stream.h"

static const pl_stream_role roles[PL_SITE_ROLE_END] = {
    [PL_SITE_QKV] = PL_STREAM_QKV,         [PL_SITE_O] = PL_STREAM_O,
    [PL_SITE_GATE_UP] = PL_STREAM_GATE_UP, [PL_SITE_DOWN] = PL_STREAM_DOWN,
    [PL_SITE_LATENT] = PL_STREAM_UNKNOWN, /* whoever turns the stream refuses such models */
};

pl_stream pl_stream_of_site(const pl_model *model, size_t site, const float *gain)
{
    const pl_config *config = pl_model_config(model);
    const pl_site *at = pl_model_site(model, site);
    return (pl_stream){.role = roles[at->role],
                       .block = at->block,
                       .site = site,
                       .hidden = config->hidden_size,
                       .head_dim = config->head_dim,
                       .kv_rows = config->kv_heads * config->head_dim,
                       .gain = gain};
}
