#include "core/base/checked.h"
#include "core/quant/method_parts.h"

#include <stdlib.h>

/* alpha_k = ||X^(k)||_F / mean_i ||X^(i)||_F: groups with large inputs are flattened most. */
static pl_status precondition(const pl_spec *spec, const pl_layer_input *in, pl_linf_warm *warm,
                              float *w, pl_linf_report *report, pl_task *task, pl_error *err)
{
    const pl_grid grid = {.group_size = pl_linf_group_size(spec)};
    const size_t groups = pl_grid_groups(&grid, pl_factors_n(in->factors));
    float *alpha = pl_alloc(groups, sizeof *alpha);
    if (alpha == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "%s: out of memory", in->layer);
    }
    pl_factors_alpha(in->factors, grid.group_size, alpha);
    pl_status status = pl_linf_method(spec, in, alpha, warm, w, report, task, err);
    free(alpha);
    return status;
}

const pl_method pl_method_astro = {
    .name = "astro",
    .slot = PL_SLOT_PRECONDITION,
    .summary = "Same output, flat groups where the input is large (Astro, arXiv 2602.07596).",
    .params = pl_linf_params,
    .n_params = PL_LINF_PARAMS,
    .live = true,
    .precondition = precondition,
    .group_size = pl_linf_group_size,
};
