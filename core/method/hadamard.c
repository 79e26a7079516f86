#include "core/method/method_parts.h"

enum { BLOCK, PARAMS };
static const pl_param params[PARAMS] = {
    [BLOCK] = PL_INT("block", 0, 1048576, 0, "columns",
                     "Columns that one Hadamard matrix turns, side by side: 32 for MXFP4's blocks; "
                     "0 is as many as one is known of.",
                     PL_BY(2), .counts_columns = true, .optional = true),
};

/* QuaRot's rotation (Ashkboos et al., NeurIPS 2024), without random signs; in blocks MR-GPTQ's
 * (Egiazarian et al., arXiv 2509.23202). */
static pl_status make_hadamard(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                               pl_task *task, pl_error *err)
{
    const pl_rotation_parts parts = {.n = in->n, .block = (size_t)spec->values[BLOCK]};
    *out = NULL;
    pl_status status = pl_task_tick(task, err);
    if (status == PL_OK && parts.block == 0) {
        return pl_transform_hadamard(in->n, out, err);
    }
    PL_THEN(pl_transform_rotation(&parts, out, err));
    if (status == PL_ERR_USAGE) {
        pl_error_prefix(err, "method hadamard block=%zu, %s: ", parts.block, in->site);
    }
    return status;
}

const pl_method pl_method_hadamard = {
    .name = "hadamard",
    .title = "Hadamard",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "Rotates the channels by a Hadamard matrix (QuaRot, Ashkboos et al., NeurIPS 2024).",
    .params = params,
    .n_params = PARAMS,
    .blind = true,
    .transform = make_hadamard,
};
