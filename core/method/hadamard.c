#include "core/method/method_parts.h"

/* QuaRot's rotation (Ashkboos et al., NeurIPS 2024), without random signs. */
static pl_status make(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                      pl_task *task, pl_error *err)
{
    (void)spec;
    *out = NULL;
    pl_status status = pl_task_tick(task, err);
    return status == PL_OK ? pl_transform_hadamard(in->n, out, err) : status;
}

const pl_method pl_method_hadamard = {
    .name = "hadamard",
    .title = "Hadamard",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "Rotates the channels by a Hadamard matrix (QuaRot, Ashkboos et al., NeurIPS 2024).",
    .blind = true,
    .transform = make,
};
