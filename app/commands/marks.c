/* marks: what plots are drawn with. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

#include <string.h>

static pl_status marks_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    static const char *const all[] = {"braille", "blocks", "ascii", "auto"};
    const size_t count = sizeof all / sizeof *all;
    const char *wanted = call->words[0];
    size_t i = 0;
    while (i < count && strcmp(all[i], wanted) != 0) {
        i++;
    }
    if (i == count) {
        return pl_error_set(err, PL_ERR_USAGE, "marks %s: expected braille, blocks, ascii or auto",
                            wanted);
    }
    pl_screen_choose_marks(screen, i < count - 1 ? wanted : NULL);
    return PL_OK;
}

static const char *const marks_ready[] = {
    "braille", "Plots of braille dots",     "blocks", "Plots of blocks",
    "ascii",   "Plots of plain characters", NULL,
};

const pl_command pl_command_marks = {
    .name = "marks",
    .positional = "braille|blocks|ascii|auto",
    .min_words = 1,
    .max_words = 1,
    .keys = pl_no_keys,
    .on_screen = marks_on_screen,
    .ready = marks_ready,
    .summary = "What plots are drawn with (screen)",
};
