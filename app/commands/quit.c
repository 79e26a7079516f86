/* quit: the end of a run. */
#include "app/commands/parts.h"

static pl_status apply_quit(pl_call *call, pl_state *state, pl_error *err)
{
    (void)state;
    (void)err;
    call->quit = true;
    return PL_OK;
}

const pl_command pl_command_quit = {
    .name = "quit",
    .positional = "",
    .keys = pl_no_keys,
    .summary = "Leave Planish",
    .apply = apply_quit,
    .history = PL_HISTORY_NONE,
};
