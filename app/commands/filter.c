/* filter: which layers are listed. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

#include <string.h>

static pl_status filter_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *expression = call->n_words > 0 ? call->words[0] : "";
    return pl_screen_filter(screen, strcmp(expression, "none") == 0 ? "" : expression, err);
}

static const char *const filter_ready[] = {
    "none",
    "List all layers",
    NULL,
};

const pl_command pl_command_filter = {
    .name = "filter",
    .positional = "EXPRESSION|none",
    .max_words = 1,
    .keys = pl_no_keys,
    .on_screen = filter_on_screen,
    .ready = filter_ready,
    .summary = "List only layers by name (q_proj, 15.*) or score (input_ratio > 20) (screen)",
    .raw = true,
};
