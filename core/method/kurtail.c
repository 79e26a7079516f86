#include "core/method/method_parts.h"
#include "core/method/rotations.h"

static const pl_param params[PL_ROTATIONS_PARAMS] = {
    [PL_ROTATIONS_STEPS] = PL_INT("steps", 1, 100000, 100, "steps",
                                  "Steps of descent, whose length falls to 0.", PL_BY(2)),
    [PL_ROTATIONS_SEED] =
        PL_INT("seed", 0, 2147483647, 0, "",
               "Of the random signs of the Hadamard matrices it starts from.", .step = 1),
    [PL_ROTATIONS_ONLINE] = PL_ROTATIONS_ONLINE_PARAM,
    [PL_ROTATIONS_RATE] = PL_REAL("rate", 1e-6, 1.0, 1.0, "",
                                  "The first step, over the longest one that Cayley's transform "
                                  "takes.",
                                  PL_BY(PL_HALF_OF_2)),
    [PL_ROTATIONS_BATCH] = PL_INT("rows", 1, 1048576, 128, "rows",
                                  "Stored rows of each input that the kurtosis is of.", PL_BY(2)),
};

const pl_method pl_method_kurtail = {
    .name = "kurtail",
    .title = "KurTail",
    .slot = PL_SLOT_TRANSFORM,
    .summary =
        "Learns QuaRot's rotations of residual stream and heads by the kurtosis of what they "
        "turn (KurTail, Akhondzadeh et al., EMNLP Findings 2025).",
    .params = params,
    .n_params = PL_ROTATIONS_PARAMS,
    .turns_stream = true,
    .learned = true,
    .stream_loss = PL_LOSS_KURTOSIS,
    .loss = "mean kurtosis of a row of X T",
};
