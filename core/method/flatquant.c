#include "core/method/flatquant.h"

#include "core/method/method_parts.h"

static const char *const scopes[] = {"layer", "block", NULL};
enum { OF_LAYER, OF_BLOCK };

static const pl_param params[PL_FLATQUANT_PARAMS] = {
    [PL_FLATQUANT_SCOPE] =
        PL_CHOICE("scope", scopes, 0,
                  "What the loss is measured on: layer, the output of the layers that share one "
                  "input; block, that of the whole block, whose transforms are learned together."),
    [PL_FLATQUANT_STEPS] =
        PL_INT("steps", 1, 100000, 300, "steps",
               "Steps of AdamW, over which its rate falls along a cosine.", PL_BY(2)),
    [PL_FLATQUANT_SEED] = PL_INT("seed", 0, 2147483647, 0, "",
                                 "Of the random rotations it starts from, and of the order of the "
                                 "stored rows, or of the windows.",
                                 .step = 1),
    [PL_FLATQUANT_RATE] = PL_REAL(
        "rate", 1e-6, 10.0, 5e-3, "",
        "First step size of the factors; with scope=layer of the diagonal's logarithm, too.",
        PL_BY(PL_HALF_OF_2)),
    [PL_FLATQUANT_DIAGONAL_RATE] = PL_REAL(
        "diagonal_rate", 0.0, 10.0, 2e-2, "",
        "With scope=block, first step size of the diagonals' logarithms; 0 leaves them where "
        "alpha put them.",
        .step = 0.005, PL_ONLY_WITH(PL_FLATQUANT_SCOPE, OF_BLOCK)),
    [PL_FLATQUANT_CLIP_RATE] = PL_REAL(
        "clip_rate", 0.0, 10.0, 5e-2, "",
        "First step size of the clipping; 0 leaves it at sigmoid(4) of the range.", .step = 0.01),
    [PL_FLATQUANT_ALPHA] = PL_REAL("alpha", 0.0, 1.0, 0.3, "",
                                   "How much of the activations' spread the diagonal moves into "
                                   "the weights at the start.",
                                   .step = 0.05, .telling = true),
    [PL_FLATQUANT_ROWS] =
        PL_INT("rows", 16, 1048576, 1024, "rows", "Stored rows of the input in one step, at most.",
               PL_BY(2), PL_ONLY_WITH(PL_FLATQUANT_SCOPE, OF_LAYER)),
    [PL_FLATQUANT_BATCH] =
        PL_INT("batch", 1, 1024, 4, "windows", "Windows of the calibration in one step, at most.",
               PL_BY(2), PL_ONLY_WITH(PL_FLATQUANT_SCOPE, OF_BLOCK)),
};

static bool is_of_block(const pl_spec *spec)
{
    return (int)spec->values[PL_FLATQUANT_SCOPE] == OF_BLOCK;
}

const pl_method pl_method_flatquant = {
    .name = "flatquant",
    .title = "FlatQuant",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "Learns a diagonal, a Kronecker product and clipping for the quantizers that are "
               "set (FlatQuant, Sun et al., ICML 2025).",
    .params = params,
    .n_params = PL_FLATQUANT_PARAMS,
    .suits_rounder = true,
    .suits_activations = true,
    .learned = true,
    .of_block = is_of_block,
};
