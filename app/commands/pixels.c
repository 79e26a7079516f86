/* pixels: whether the main pane's figure is an image. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

#include <string.h>

static pl_status pixels_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *wanted = call->words[0];
    if (strcmp(wanted, "yes") != 0 && strcmp(wanted, "no") != 0 && strcmp(wanted, "auto") != 0) {
        return pl_error_set(err, PL_ERR_USAGE, "pixels %s: expected yes, no or auto", wanted);
    }
    pl_screen_choose_pixels(screen, wanted);
    return PL_OK;
}

static const char *const pixels_ready[] = {
    "yes",  "The main pane's figure as an image, as export writes it", "no", "Plots of characters",
    "auto", "An image where the terminal says that it shows them",     NULL,
};

const pl_command pl_command_pixels = {
    .name = "pixels",
    .positional = "yes|no|auto",
    .min_words = 1,
    .max_words = 1,
    .keys = pl_no_keys,
    .on_screen = pixels_on_screen,
    .ready = pixels_ready,
    .summary = "Whether the main pane's figure is an image, where the terminal shows them (screen)",
};
