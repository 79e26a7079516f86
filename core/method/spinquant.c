#include "core/method/method_parts.h"
#include "core/method/rotations.h"

static const pl_param params[PL_ROTATIONS_PARAMS] = {
    [PL_ROTATIONS_STEPS] = PL_INT("steps", 1, 100000, 100, "steps",
                                  "Steps of descent, whose rate falls to 0.", PL_BY(2)),
    [PL_ROTATIONS_SEED] =
        PL_INT("seed", 0, 2147483647, 0, "",
               "Of the random signs of the Hadamard matrices it starts from.", .step = 1),
    [PL_ROTATIONS_ONLINE] = PL_ROTATIONS_ONLINE_PARAM,
    [PL_ROTATIONS_RATE] = PL_REAL("rate", 1e-6, 1e6, 1.5, "",
                                  "First rate; no step is longer than Cayley's transform takes.",
                                  PL_BY(PL_HALF_OF_2)),
    [PL_ROTATIONS_BATCH] = PL_INT("windows", 1, 1048576, 1, "windows",
                                  "Windows of the calibration's text in one step.", PL_BY(2)),
};

const pl_method pl_method_spinquant = {
    .name = "spinquant",
    .title = "SpinQuant",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "Learns QuaRot's rotations of residual stream and heads by the cross-entropy of the "
               "model with quantized activations and cache (SpinQuant, Liu et al., ICLR 2025).",
    .params = params,
    .n_params = PL_ROTATIONS_PARAMS,
    .suits_activations = true,
    .turns_stream = true,
    .learned = true,
    .stream_loss = PL_LOSS_MODEL,
    .loss = "cross-entropy of the quantized model [nats a token]",
};
