/* quit: the end of a run. */
#include "app/commands/list.h"

static const pl_alias quit_aliases[] = {
    {"exit", "", "leave planish", false},
    {0},
};

const pl_command pl_command_quit = {
    .name = "quit",
    .positional = "",
    .keys = pl_no_keys,
    .aliases = quit_aliases,
    .summary = "Leave Planish",
    .history = PL_HISTORY_NONE,
    .ends_run = true,
};
