/* theme: the colours. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

#include <string.h>

static pl_status theme_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    if (call->n_words == 0) {
        pl_screen_next_theme(screen);
        return PL_OK;
    }
    const bool usual = strcmp(call->words[0], "auto") == 0;
    const pl_theme wanted = usual ? PL_THEME_COUNT : pl_theme_find(call->words[0]);
    if (wanted == PL_THEME_COUNT && !usual) {
        return pl_error_set(err, PL_ERR_USAGE, "theme %s: expected dark, light, safe, none or auto",
                            call->words[0]);
    }
    pl_screen_choose_theme(screen, wanted);
    return PL_OK;
}

static const char *const theme_ready[] = {
    "dark",  "For dark backgrounds",
    "light", "For light backgrounds",
    "safe",  "Colours that the colour-blind tell apart",
    "none",  "No colours",
    NULL,
};

const pl_command pl_command_theme = {
    .name = "theme",
    .positional = "[dark|light|safe|none|auto]",
    .max_words = 1,
    .keys = pl_no_keys,
    .on_screen = theme_on_screen,
    .ready = theme_ready,
    .summary = "Colours for a dark or light background, safe, or none (screen)",
};
