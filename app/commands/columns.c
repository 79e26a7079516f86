/* columns: what the layer list shows of each layer. */
#include "app/commands/parts.h"
#include "app/workbench/services.h"
#include "core/base/json.h"

#include <string.h>

static pl_status columns_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    pl_column columns[PL_COLUMN_COUNT];
    size_t count = 0;
    *taken = true;
    pl_status status = strcmp(call->words[0], "auto") == 0
                           ? PL_OK
                           : pl_read_columns(call, call->words[0], columns, &count, err);
    if (status == PL_OK) {
        pl_screen_choose_columns(screen, columns, count);
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      count == 0 ? "the layer list shows what there is room for"
                                 : "z in the layer list shows more columns; :columns auto");
    }
    return status;
}

const pl_command pl_command_columns = {
    .name = "columns",
    .positional = "NAME,...|all|auto",
    .min_words = 1,
    .max_words = 1,
    .keys = pl_no_keys,
    .on_screen = columns_on_screen,
    .summary = "Choose what the layer list shows: input_max,error,gap (screen)",
};
