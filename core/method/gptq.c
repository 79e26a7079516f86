#include "core/method/kin.h"

enum { DAMPING = PL_GRID_COUNT, ACT_ORDER, STATIC_GROUPS, PARAMS };
static const pl_param params[PARAMS] = {
    PL_GRID_PARAMS,
    [DAMPING] = PL_REAL("damping", 0, 1, 0.01, "mean diag H",
                        "Added to the Hessian's diagonal; raised tenfold while its Cholesky fails.",
                        PL_BY(PL_QUARTER_OF_10)),
    [ACT_ORDER] = PL_KIN_ORDER,
    [STATIC_GROUPS] =
        PL_CHOICE("static_groups", pl_no_yes, 0,
                  "Keep the original groups, with scales from the weights before any update; with "
                  "act_order as MR-GPTQ."),
};

static pl_kin gptq_kin(const pl_spec *spec)
{
    return (pl_kin){.damping = spec->values[DAMPING],
                    .order = (size_t)spec->values[ACT_ORDER],
                    .static_groups = spec->values[STATIC_GROUPS] > 0.0};
}

static pl_status prepare_gptq(const pl_spec *spec, const pl_layer_input *in, pl_task *task,
                              pl_error *err)
{
    const pl_kin kin = gptq_kin(spec);
    return pl_kin_prepare(&kin, spec, in, task, err);
}

static pl_status round_gptq(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                            pl_method_report *report, pl_task *task, pl_error *err)
{
    const pl_kin kin = gptq_kin(spec);
    return pl_kin_round(&kin, spec, in, out, report, task, err);
}

const pl_method pl_method_gptq = {
    .name = "gptq",
    .title = "GPTQ",
    .slot = PL_SLOT_ROUND,
    .summary = "Column by column, later columns make up for the error (Frantar et al., ICLR 2023).",
    .params = params,
    .n_params = PARAMS,
    .reported = pl_kin_reported,
    .n_reported = PL_KIN_REPORTED,
    .round = round_gptq,
    .prepare = prepare_gptq,
};
