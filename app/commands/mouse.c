/* mouse: who has it, planish or the terminal's own selection. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

#include <string.h>

static pl_status mouse_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const bool on = strcmp(call->words[0], "yes") == 0;
    if (!on && strcmp(call->words[0], "no") != 0) {
        return pl_error_set(err, PL_ERR_USAGE, "mouse %s: expected yes or no", call->words[0]);
    }
    pl_screen_choose_mouse(screen, on);
    return PL_OK;
}

static const char *const mouse_ready[] = {
    "yes", "Click selects, the wheel scrolls, a drag zooms",
    "no",  "The terminal's own selection has the mouse",
    NULL,
};

const pl_command pl_command_mouse = {
    .name = "mouse",
    .positional = "yes|no",
    .min_words = 1,
    .max_words = 1,
    .keys = pl_no_keys,
    .on_screen = mouse_on_screen,
    .ready = mouse_ready,
    .summary = "Whether planish has the mouse, or the terminal's own selection (screen)",
};
