/* quit: the end of a run. */
#include "app/commands/list.h"

const pl_command pl_command_quit = {
    .name = "quit",
    .positional = "",
    .keys = pl_no_keys,
    .summary = "Leave Planish",
    .history = PL_HISTORY_NONE,
    .ends_run = true,
};
