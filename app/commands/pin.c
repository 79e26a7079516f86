/* pin: the present setting, without a name. */
#include "app/commands/parts.h"
#include "core/state/kept.h"

static pl_status apply_pin(pl_call *call, pl_state *state, pl_error *err)
{
    pl_status status = pl_state_pin(state, err);
    if (status == PL_OK) {
        pl_put_kept(call, state, "pins");
    }
    return status;
}

const pl_command pl_command_pin = {
    .name = "pin",
    .positional = "",
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Keep the present setting under a number, as a baseline to compare with (up to 8)",
    .apply = apply_pin,
    .rebuild = PL_REBUILD_RUN,
};
