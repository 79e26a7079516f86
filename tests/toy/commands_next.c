/* next: a toy command, all of it. */
#include "app/commands/list.h"
#include "app/usage.h"
#include "core/base/json.h"

static pl_status apply_next(pl_call *call, pl_state *state, pl_error *err)
{
    size_t by = 0;
    pl_status status = pl_usage_size(call, "by", 1, 100, &by, err);
    if (status == PL_OK) {
        const pl_model *model = state->source->model;
        state->layer = (state->layer + by) % pl_model_layer_count(model);
        pl_json_set(call->result, "layer", json_string(pl_model_layer(model, state->layer)->name));
    }
    return status;
}

static const pl_key next_keys[] = {
    {"by", PL_KEY_INT, "1", NULL, "how many layers further"},
    {0},
};

const pl_command pl_command_next = {
    .name = "next",
    .positional = "",
    .keys = next_keys,
    .needs_model = true,
    .summary = "Select a layer behind the selected one",
    .apply = apply_next,
    .rebuild = PL_REBUILD_RUN,
};
