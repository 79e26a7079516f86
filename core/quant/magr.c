#include "core/base/checked.h"
#include "core/quant/method_parts.h"

#include <stdlib.h>

/* alpha_k = 1: every group is flattened alike. */
static pl_status precondition(const pl_spec *spec, const pl_layer_input *in, pl_linf_warm *warm,
                              float *w, pl_linf_report *report, pl_task *task, pl_error *err)
{
    const pl_grid grid = {.group_size = pl_linf_group_size(spec)};
    const size_t groups = pl_grid_groups(&grid, pl_factors_n(in->factors));
    float *alpha = pl_alloc(groups, sizeof *alpha);
    if (alpha == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "%s: out of memory", in->layer);
    }
    for (size_t k = 0; k < groups; k++) {
        alpha[k] = 1.0f;
    }
    pl_status status = pl_linf_method(spec, in, alpha, warm, w, report, task, err);
    free(alpha);
    return status;
}

const pl_method pl_method_magr = {
    .name = "magr",
    .slot = PL_SLOT_PRECONDITION,
    .summary = "Same output, smaller group maxima (MagR, Zhang et al., NeurIPS 2024).",
    .params = pl_linf_params,
    .n_params = PL_LINF_PARAMS,
    .live = true,
    .precondition = precondition,
    .group_size = pl_linf_group_size,
};
