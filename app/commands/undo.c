/* undo: the last change of the state taken back. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

static pl_status undo_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    pl_screen_step_history(screen, true);
    return PL_OK;
}

const pl_command pl_command_undo = {
    .name = "undo",
    .positional = "",
    .keys = pl_no_keys,
    .on_screen = undo_on_screen,
    .summary = "Take the last change of the state back (screen)",
};
