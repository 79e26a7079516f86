#include "core/method/linf_method.h"

/* alpha_k = ||X^(k)||_F / mean_i ||X^(i)||_F: groups with large inputs are flattened most. */
static void weights(const pl_spec *spec, const pl_factors *factors, float *alpha)
{
    pl_factors_alpha(factors, pl_linf_group_size(spec), alpha);
}

const pl_method pl_method_astro = {
    .name = "astro",
    .title = "Astro",
    .summary = "Same output, flat groups where the input is large (Astro, arXiv 2602.07596).",
    .alpha = weights,
    PL_LINF_COMMON,
};
