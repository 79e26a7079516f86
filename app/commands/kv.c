/* kv: how keys and values are quantized. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/model/bare.h"

static pl_status apply_kv(pl_call *call, pl_state *state, pl_error *err)
{
    pl_act_grid grid = {0};
    bool none = false;
    pl_status status = pl_asks_for_none(call, &none, err);
    PL_THEN(pl_model_need_forward(state->source->model, "kv", err));
    if (status == PL_OK && !none) {
        status = pl_read_act_grid(call, &grid, err);
    }
    if (status == PL_OK) {
        state->kv_group_size = grid.group_size;
        grid.group_size = 0; /* of the head's, not of a row's */
        state->kv = grid;
        pl_json_set(call->result, "kv", pl_kv_json(state));
    }
    return status;
}

static const pl_key kv_keys[] = {
    PL_ACT_GRID_KEYS("64",
                     "values of a head that share a range; 0: the head; a format has its own"),
    {0},
};

const pl_command pl_command_kv = {
    .name = "kv",
    .positional = "[none]",
    .max_words = 1,
    .keys = kv_keys,
    .needs_model = true,
    .summary = "Quantize keys (after RoPE) and values, or none",
    .put_line = pl_line_kv,
    .apply = apply_kv,
    .sets = true,
    .in_setting = true,
    .put_text = pl_put_setting_text,
    .rebuild = PL_REBUILD_RUN,
};
