/* cancel: the running job ends. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

static pl_status cancel_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    if (!pl_screen_cancel(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing runs");
    }
    return PL_OK;
}

const pl_command pl_command_cancel = {
    .name = "cancel",
    .positional = "",
    .keys = pl_no_keys,
    .on_screen = cancel_on_screen,
    .summary = "Stop the job that runs, or else the one that waits (screen)",
};
