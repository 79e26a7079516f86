/* restore: the last session brought back. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

static pl_status restore_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    pl_screen_restore(screen);
    return PL_OK;
}

const pl_command pl_command_restore = {
    .name = "restore",
    .positional = "",
    .keys = pl_no_keys,
    .on_screen = restore_on_screen,
    .summary = "Bring the last session back (screen)",
};
