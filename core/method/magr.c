#include "core/method/linf_method.h"

/* alpha_k = 1: every group is flattened alike. */
static void weights(const pl_spec *spec, const pl_factors *factors, float *alpha)
{
    const pl_grid grid = {.group_size = pl_linf_group_size(spec)};
    const size_t groups = pl_grid_groups(&grid, pl_factors_n(factors));
    for (size_t k = 0; k < groups; k++) {
        alpha[k] = 1.0f;
    }
}

const pl_method pl_method_magr = {
    .name = "magr",
    .title = "MagR",
    .summary = "Same output, smaller group maxima (MagR, Zhang et al., NeurIPS 2024).",
    .alpha = weights,
    PL_LINF_COMMON,
};
