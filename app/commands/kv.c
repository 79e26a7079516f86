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
    size_t group_size = 0;
    pl_status status = pl_model_need_forward(state->source->model, "kv", err);
    PL_THEN(pl_asks_for_none(call, &none, err));
    if (status == PL_OK && !none) {
        status = pl_read_act_grid(call, &grid, err);
    }
    if (status == PL_OK && !none) {
        status = pl_usage_size(call, "group_size", 0, 1u << 20, &group_size, err);
    }
    if (status == PL_OK) {
        state->kv = grid;
        state->kv_group_size = group_size;
        pl_json_set(call->result, "kv", pl_kv_json(state));
    }
    return status;
}

static const pl_key kv_keys[] = {
    {"bits", PL_KEY_INT, "4", NULL, "bits of one value, 2 to 8"},
    {"group_size", PL_KEY_INT, "64", NULL, "values of a head that share a range; 0: the head"},
    {"symmetric", PL_KEY_FORMAT, "yes", NULL,
     "codes around 0, with a zero point, or GPTQ's own grid"},
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
