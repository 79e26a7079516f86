#include "core/lab/stream_site.h"

#include "core/base/checked.h"
#include "core/model/bare.h"
#include "core/model/stream.h"

#include <stdio.h>
#include <stdlib.h>

static const pl_stream_role roles[PL_SITE_ROLE_COUNT] = {
    [PL_SITE_QKV] = PL_STREAM_QKV,
    [PL_SITE_O] = PL_STREAM_O,
    [PL_SITE_GATE_UP] = PL_STREAM_GATE_UP,
    [PL_SITE_DOWN] = PL_STREAM_DOWN,
};

static pl_status read_gain(pl_model *model, size_t site, const pl_method *method, float **out,
                           pl_error *err)
{
    char who[64];
    snprintf(who, sizeof who, "method %s", method->name);
    pl_status status = pl_model_need_stream(model, who, err);
    if (status != PL_OK || !pl_model_reads_stream(model, site)) {
        return status;
    }
    *out = pl_alloc(pl_model_site(model, site)->cols, sizeof **out);
    return *out != NULL ? pl_model_stream_gain(model, site, *out, err)
                        : pl_error_memory(err, "a norm of %s", pl_model_site(model, site)->name);
}

pl_status pl_stream_site_init(pl_model *model, size_t site, const pl_method *method,
                              pl_stream_site *out, pl_error *err)
{
    *out = (pl_stream_site){.is = {.role = PL_STREAM_UNKNOWN}};
    pl_status status =
        method->turns_stream ? read_gain(model, site, method, &out->gain, err) : PL_OK;
    if (status == PL_OK && !pl_model_is_bare(model)) {
        const pl_config *config = pl_model_config(model);
        const pl_site *at = pl_model_site(model, site);
        out->is = (pl_stream){.role = roles[at->role],
                              .block = at->block,
                              .site = site,
                              .hidden = config->hidden_size,
                              .head_dim = config->head_dim,
                              .kv_rows = config->kv_heads * config->head_dim,
                              .gain = out->gain};
    }
    return status;
}

void pl_stream_site_free(pl_stream_site *site)
{
    free(site->gain);
    *site = (pl_stream_site){0};
}
