/* activations: how the inputs of the linear layers are quantized. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/usage.h"
#include "core/base/json.h"

static pl_status apply_activations(pl_call *call, pl_state *state, pl_error *err)
{
    pl_act_grid grid = {0};
    bool none = false;
    size_t range = 0;
    pl_status status = pl_asks_for_none(call, &none, err);
    if (status == PL_OK && !none) {
        status = pl_read_act_grid(call, &grid, err);
    }
    if (status == PL_OK && !none) {
        status = pl_usage_real(call, "clip", 0.01, 1.0, &grid.clip, err);
    }
    if (status == PL_OK && !none) {
        status = pl_usage_choice(call, "range", &range, err);
    }
    if (status == PL_OK) {
        grid.fixed = range == 1;
        state->activations = grid;
        pl_json_set(call->result, "activations", pl_activations_json(state));
    }
    return status;
}

static const pl_key activations_keys[] = {
    {"bits", PL_KEY_INT, "4", NULL, "bits of one value, 2 to 8"},
    {"symmetric", PL_KEY_FORMAT, "yes", NULL,
     "codes around 0, with a zero point, or GPTQ's own grid"},
    {"clip", PL_KEY_REAL, "1", NULL, "share of the range that is kept, 0.01 to 1"},
    {"range", PL_KEY_CHOICE, "token", "token|tensor",
     "each token its own, or one for all: [min, max] of the stored rows, after T"},
    {0},
};

const pl_command pl_command_activations = {
    .name = "activations",
    .positional = "[none]",
    .max_words = 1,
    .keys = activations_keys,
    .needs_model = true,
    .summary = "Quantize the inputs of the linear layers, after their transform, or none",
    .put_line = pl_line_activations,
    .apply = apply_activations,
    .sets = true,
    .in_setting = true,
    .put_text = pl_put_setting_text,
    .rebuild = PL_REBUILD_RUN,
};
