/* pin: the present result as a baseline. */
#include "app/commands/parts.h"

static pl_status apply_pin(pl_call *call, pl_state *state, pl_error *err)
{
    pl_status status = pl_state_pin(state, err);
    if (status == PL_OK) {
        pl_put_pins(call, state);
    }
    return status;
}

const pl_command pl_command_pin = {
    .name = "pin",
    .positional = "",
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Keep the layer's present result as a baseline to compare with (up to 8)",
    .apply = apply_pin,
    .rebuild = PL_REBUILD_RUN,
};
