/* log: what was done, on the screen or as a script. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

static pl_status log_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *file = pl_call_value(call, "file");
    if (file != NULL) {
        return pl_screen_write_log(screen, file, err);
    }
    pl_screen_show_log(screen);
    return PL_OK;
}

static const pl_key log_keys[] = {
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "a script for --batch: the session's commands"},
    {0},
};

const pl_command pl_command_log = {
    .name = "log",
    .positional = "",
    .keys = log_keys,
    .on_screen = log_on_screen,
    .summary = "Show what was done and how long it took; file= writes it as a batch (screen)",
};
