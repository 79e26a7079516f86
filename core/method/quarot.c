#include "core/method/method_parts.h"
#include "core/method/rotations.h"

enum { SEED, ONLINE, HEADS, PARAMS };
static const pl_param params[PARAMS] = {
    [SEED] = PL_INT("seed", 0, 2147483647, 0, "",
                    "Which random signs: the same seed gives the same ones.", .step = 1),
    [ONLINE] = PL_ROTATIONS_ONLINE_PARAM,
    [HEADS] = PL_CHOICE_OF(2, "heads", pl_no_yes, 1,
                           "yes: a Hadamard matrix also turns the heads before o_proj into one "
                           "another while the model runs, as the paper has it; no: each by itself.",
                           PL_ONLY_WITH(ONLINE, 1)),
};

static pl_status make_quarot(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                             pl_task *task, pl_error *err)
{
    pl_random_rotations rotations = {0};
    *out = NULL;
    pl_status status = pl_task_tick(task, err);
    PL_THEN(pl_rotations_random(&in->stream, in->n, (uint64_t)spec->values[SEED],
                                spec->values[ONLINE] > 0.0, &rotations, err));
    rotations.is.across = spec->values[ONLINE] > 0.0 && spec->values[HEADS] > 0.0;
    PL_THEN(pl_rotations_of_site(in, &rotations.is, out, err));
    pl_rotations_random_free(&rotations);
    return status;
}

const pl_method pl_method_quarot = {
    .name = "quarot",
    .title = "QuaRot",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "Rotates the residual stream and the heads by Hadamard matrices with random signs "
               "(QuaRot, Ashkboos et al., NeurIPS 2024).",
    .params = params,
    .n_params = PARAMS,
    .blind = true,
    .turns_stream = true,
    .transform = make_quarot,
};
