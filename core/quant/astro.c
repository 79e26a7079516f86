#include "core/quant/method_parts.h"

/* alpha_k = ||X^(k)||_F / mean_i ||X^(i)||_F: groups with large inputs are flattened most. */
static void weights(const pl_spec *spec, const pl_factors *factors, float *alpha)
{
    pl_factors_alpha(factors, pl_linf_group_size(spec), alpha);
}

const pl_method pl_method_astro = {
    .name = "astro",
    .slot = PL_SLOT_PRECONDITION,
    .summary = "Same output, flat groups where the input is large (Astro, arXiv 2602.07596).",
    .params = pl_linf_params,
    .n_params = PL_LINF_PARAMS,
    .live = true,
    .precondition = pl_linf_method,
    .group_size = pl_linf_group_size,
    .alpha = weights,
};
