#include "core/method/kin.h"

enum { DAMPING = PL_GRID_COUNT, ACT_ORDER, STATIC_GROUPS, ALPHA, PARAMS };
static const pl_param params[PARAMS] = {
    PL_GRID_PARAMS,
    [DAMPING] = PL_REAL("damping", 0, 1, 0.01, "mean diag H",
                        "Added to the Hessian's diagonal; raised tenfold while its Cholesky fails.",
                        PL_BY(PL_QUARTER_OF_10)),
    [ACT_ORDER] = PL_KIN_ORDER,
    [STATIC_GROUPS] =
        PL_CHOICE("static_groups", pl_no_yes, 0,
                  "Keep the original groups, with scales from the weights before any update."),
    [ALPHA] = PL_REAL("alpha", 0, 1, 0.25, "",
                      "What share of the difference between the original model's inputs and the "
                      "quantized one's to make up for: 0.25 in the authors' code, 1 in the paper, "
                      "0 is GPTQ.",
                      .step = 0.05),
};

static pl_status begin_gptaq(const pl_kin *kin, const pl_spec *spec, const pl_layer_input *in,
                             size_t order, pl_columns *job, float *owned[2], pl_task *task,
                             pl_error *err)
{
    (void)owned;
    job->share = (float)spec->values[ALPHA];
    return pl_factors_cross(in->factors) != NULL && job->share > 0.0f
               ? pl_factors_gptaq(in->factors, kin->damping, order, &job->p, task, err)
               : PL_OK;
}

static pl_kin gptaq_kin(const pl_spec *spec)
{
    return (pl_kin){.damping = spec->values[DAMPING],
                    .order = (size_t)spec->values[ACT_ORDER],
                    .static_groups = spec->values[STATIC_GROUPS] > 0.0,
                    .begin = begin_gptaq};
}

static pl_status prepare_gptaq(const pl_spec *spec, const pl_layer_input *in, pl_task *task,
                               pl_error *err)
{
    const pl_kin kin = gptaq_kin(spec);
    return pl_kin_prepare(&kin, spec, in, task, err);
}

static pl_status round_gptaq(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                             pl_method_report *report, pl_task *task, pl_error *err)
{
    const pl_kin kin = gptaq_kin(spec);
    return pl_kin_round(&kin, spec, in, out, report, task, err);
}

static double follows(const pl_spec *spec)
{
    return spec->values[ALPHA];
}

const pl_method pl_method_gptaq = {
    .name = "gptaq",
    .title = "GPTAQ",
    .slot = PL_SLOT_ROUND,
    .summary = "GPTQ towards the original model's outputs, on the quantized model's inputs: in "
               "`solve all`; elsewhere the inputs are the same, and it is GPTQ (Li et al., ICML "
               "2025).",
    .params = params,
    .n_params = PARAMS,
    .reported = pl_kin_reported,
    .n_reported = PL_KIN_REPORTED,
    .round = round_gptaq,
    .prepare = prepare_gptaq,
    .follows = follows,
};
