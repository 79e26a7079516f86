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
    if (status == PL_OK && range == 1 && grid.group_size > 0 &&
        !pl_format_of_tensor(grid.format, grid.scale_mode)) {
        status =
            pl_error_set(err, PL_ERR_USAGE,
                         "activations: range=tensor: groups of %zu have a range each, expected "
                         "range=token or group_size=0",
                         grid.group_size);
    }
    if (status == PL_OK) {
        grid.fixed = range == 1;
        state->activations = grid;
        pl_json_set(call->result, "activations", pl_activations_json(state));
    }
    return status;
}

static const pl_key activations_keys[] = {
    PL_ACT_GRID_KEYS("0", "values of a token that share a scale; 0: all; a format has its own"),
    {"clip", PL_KEY_REAL, "1", NULL, "share of the range that is kept, 0.01 to 1"},
    {"range", PL_KEY_CHOICE, "token", "token|tensor",
     "each token its own, or one for all: [min, max] of the stored rows, after T; nvfp4: of which "
     "its second level of scales is"},
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
