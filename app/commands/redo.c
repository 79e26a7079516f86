/* redo: again what undo took back. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

static pl_status redo_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    pl_screen_step_history(screen, false);
    return PL_OK;
}

const pl_command pl_command_redo = {
    .name = "redo",
    .positional = "",
    .keys = pl_no_keys,
    .on_screen = redo_on_screen,
    .summary = "Do again what undo took back (screen)",
};
