/* tour: five steps through the screen. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

#include <string.h>

static pl_status tour_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *word = call->n_words > 0 ? call->words[0] : "on";
    bool off = strcmp(word, "off") == 0;
    if (!off && strcmp(word, "on") != 0) {
        return pl_error_set(err, PL_ERR_USAGE, "tour %s: expected on or off", word);
    }
    pl_screen_set_tour(screen, off ? PL_TOUR_OFF : PL_TOUR_LAYERS);
    return PL_OK;
}

static const char *const tour_ready[] = {
    "on",
    "Show the five steps of the tour",
    NULL,
};

const pl_command pl_command_tour = {
    .name = "tour",
    .positional = "[on|off]",
    .max_words = 1,
    .keys = pl_no_keys,
    .on_screen = tour_on_screen,
    .ready = tour_ready,
    .summary = "Show the five steps of the tour, or end it (screen)",
};
