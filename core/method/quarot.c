#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/method/method_parts.h"
#include "core/method/rotations.h"
#include "core/tensor/hadamard.h"

#include <stdlib.h>

enum { SEED, ONLINE, PARAMS };
static const pl_param params[PARAMS] = {
    [SEED] = PL_INT("seed", 0, 2147483647, 0, "",
                    "Which random signs: the same seed gives the same ones.", .step = 1),
    [ONLINE] = PL_CHOICE("online", pl_no_yes, 1,
                         "yes: also turns down_proj's inputs and the keys while the model runs; "
                         "no: only what the weights can hold."),
};

/* Each rotation has signs of its own. */
static float *make_signs(size_t n, uint64_t seed, uint64_t which)
{
    float *signs = pl_alloc(n, sizeof *signs);
    pl_rng rng;
    pl_rng_init(&rng, seed + (which << 32));
    for (size_t i = 0; signs != NULL && i < n; i++) {
        signs[i] = pl_rng_next(&rng) >> 63 != 0 ? -1.0f : 1.0f;
    }
    return signs;
}

static pl_rotation_parts signed_hadamard(size_t n, const float *signs)
{
    return (pl_rotation_parts){.n = n, .scale = signs, .block = pl_hadamard_largest(n)};
}

static pl_status make(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                      pl_task *task, pl_error *err)
{
    /* The stream's signs, those of each block's heads, and behind them each site's. */
    enum { OF_STREAM = 0, OF_HEADS = 1, OF_SITES = 1 << 24 };
    const size_t head = in->stream.head_dim, hidden = in->stream.hidden;
    const uint64_t seed = (uint64_t)spec->values[SEED];
    const bool online = spec->values[ONLINE] > 0.0;
    *out = NULL;
    float *stream = make_signs(hidden, seed, OF_STREAM);
    float *heads = make_signs(head, seed, OF_HEADS + in->stream.block);
    float *inner = make_signs(in->n, seed, OF_SITES + in->stream.site);
    pl_status status = stream != NULL && heads != NULL && inner != NULL
                           ? pl_task_tick(task, err)
                           : pl_error_memory(err, "a rotation of %s", in->site);
    if (status == PL_OK) {
        const pl_rotations rotations = {
            .r1 = signed_hadamard(hidden, stream),
            .r2 = signed_hadamard(head, heads),
            .r3 = online ? signed_hadamard(head, NULL) : (pl_rotation_parts){.n = head},
            .r4 = online ? signed_hadamard(in->n, inner) : (pl_rotation_parts){.n = in->n},
        };
        status = pl_rotations_of_site(in, &rotations, out, err);
    }
    free(stream);
    free(heads);
    free(inner);
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
    .transform = make,
};
