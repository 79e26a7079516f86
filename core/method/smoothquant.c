#include "core/method/method_parts.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdlib.h>

/* Channels that are silent on one side still need a scale (SmoothQuant's own code). */
static const float LEAST = 1e-5f;

enum { ALPHA, POWERS, PARAMS };
static const pl_param params[PARAMS] = {
    [ALPHA] = PL_REAL("alpha", 0.0, 1.0, 0.5, "",
                      "How much of the activations' spread moves into the weights: 0 none, 1 all "
                      "of it (LLaMA models like 0.85).",
                      .step = 0.05, .telling = true),
    [POWERS] = PL_POWERS,
};

/* Per input channel: max |W_c| over all layers of the site.  out[n]. */
static void weight_max(const pl_site_input *in, float *out)
{
    for (size_t c = 0; c < in->n; c++) {
        out[c] = 0.0f;
    }
    for (size_t i = 0; i < in->n_weights; i++) {
        const pl_view w = in->weights[i];
        for (size_t r = 0; r < w.rows; r++) {
            for (size_t c = 0; c < in->n; c++) {
                const float a = fabsf(w.data[r * w.stride + c]);
                out[c] = a > out[c] ? a : out[c];
            }
        }
    }
}

/* s_c = max|X_c|^alpha / max|W_c|^(1-alpha), T = diag(1/s) (Xiao et al., ICML 2023, eq. 4). */
static pl_status make_smoothquant(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                                  pl_task *task, pl_error *err)
{
    *out = NULL;
    const double alpha = spec->values[ALPHA];
    float *scale = pl_alloc(in->n, sizeof *scale);
    if (scale == NULL) {
        return pl_error_memory(err, "%s", in->site);
    }
    weight_max(in, scale);
    for (size_t c = 0; c < in->n; c++) {
        const double x = (double)fmaxf(in->max_abs[c], LEAST);
        const double w = (double)fmaxf(scale[c], LEAST);
        scale[c] = 1.0f / fmaxf((float)(pow(x, alpha) / pow(w, 1.0 - alpha)), LEAST);
    }
    if (spec->values[POWERS] > 0.0) {
        pl_round_to_powers(scale, in->n);
    }
    pl_status status = pl_task_tick(task, err);
    PL_THEN(pl_transform_scaling(in->n, scale, out, err));
    free(scale);
    return status;
}

const pl_method pl_method_smoothquant = {
    .name = "smoothquant",
    .title = "SmoothQuant",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "A scale a channel moves outliers from activations into weights (Xiao et al., ICML "
               "2023).",
    .params = params,
    .n_params = PARAMS,
    .transform = make_smoothquant,
};
