#include "core/lab/stream_site.h"

#include "core/base/checked.h"
#include "core/learn/site_stream.h"
#include "core/model/bare.h"
#include "core/model/stream.h"

#include <stdio.h>
#include <stdlib.h>

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
        out->is = pl_stream_of_site(model, site, out->gain);
    }
    return status;
}

void pl_stream_site_free(pl_stream_site *site)
{
    free(site->gain);
    *site = (pl_stream_site){0};
}
