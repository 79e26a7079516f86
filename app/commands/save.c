/* save: the session on disk. */
#include "app/commands/list.h"
#include "app/commands/sentences.h"
#include "app/front.h"
#include "app/workbench/services.h"
#include "core/base/json.h"

#include <string.h>

/* It ends as other commands do: with a line in the log. */
static pl_status save_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    *taken = false;
    return pl_screen_save(screen, err);
}

static pl_status save_in_batch(pl_front *front, pl_call *call, pl_error *err)
{
    pl_status status = pl_front_need_kept(front, "save", err);
    if (status != PL_OK) {
        return status;
    }
    char safe[1024];
    const char *path = pl_session_path(front->session);
    pl_text_escape(path, strlen(path), safe, sizeof safe);
    pl_json_set(call->result, "session", json_string(safe));
    return pl_session_flush(front->session, err);
}

const pl_command pl_command_save = {
    .name = "save",
    .positional = "",
    .keys = pl_no_keys,
    .of_run = "*",
    .summary = "Bring the session to disk now",
    .put_line = pl_line_save,
    .history = PL_HISTORY_NONE,
    .on_screen = save_on_screen,
    .in_batch = save_in_batch,
};
