#include "core/method/method_parts.h"

#include "core/base/checked.h"
#include "core/tensor/orthogonal.h"

#include <stdlib.h>

enum { SEED, PARAMS };
static const pl_param params[PARAMS] = {
    [SEED] = PL_INT("seed", 0, 2147483647, 0, "",
                    "Which random rotation: the same seed gives the same one.", .step = 1),
};

static pl_status make_random(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                             pl_task *task, pl_error *err)
{
    *out = NULL;
    float *q = pl_alloc(in->n * in->n, sizeof *q);
    if (q == NULL) {
        return pl_error_memory(err, "a rotation of %s", in->site);
    }
    pl_status status = pl_orthogonal_random(in->n, (uint64_t)spec->values[SEED], q, task, err);
    PL_THEN(pl_transform_orthogonal(in->n, q, out, err));
    free(q);
    return status;
}

const pl_method pl_method_orthogonal = {
    .name = "orthogonal",
    .title = "Random rotation",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "Rotates the channels by a random orthogonal matrix, QR of a seeded Gaussian.",
    .params = params,
    .n_params = PARAMS,
    .blind = true,
    .transform = make_random,
};
