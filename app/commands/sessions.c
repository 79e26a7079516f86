/* sessions: the ones that are kept, one a model, and another one opened. */
#include "app/commands/list.h"
#include "app/sessions.h"
#include "app/workbench/services.h"
#include "core/base/json.h"

#include <string.h>

/* Whether it is `open NAME`; PL_ERR_USAGE where it is neither that nor the list. */
static pl_status asks_to_open(const pl_call *call, bool *opens, pl_error *err)
{
    *opens = call->n_words == 2 && strcmp(call->words[0], "open") == 0;
    return *opens || call->n_words == 0
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE,
                              "sessions: expected `sessions` or `sessions open "
                              "NAME` (a name or a number of the list)");
}

static pl_status sessions_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    bool opens = false;
    *taken = true;
    pl_status status = asks_to_open(call, &opens, err);
    if (status != PL_OK || opens) {
        return status == PL_OK ? pl_screen_take_session(screen, call->words[1], err) : status;
    }
    return pl_screen_offer_sessions(screen, err);
}

static pl_status sessions_in_batch(pl_front *front, pl_call *call, pl_error *err)
{
    bool opens = false;
    pl_state state;
    pl_status status = asks_to_open(call, &opens, err);
    if (status != PL_OK || !opens) {
        return status == PL_OK ? pl_front_list_sessions(front, call->result, err) : status;
    }
    status = pl_front_take_session(front, call->words[1], &state, err);
    if (status == PL_OK) {
        pl_front_take_state(front, &state);
        char safe[1024] = "";
        const char *path = front->session != NULL ? pl_session_path(front->session) : "";
        pl_text_escape(path, strlen(path), safe, sizeof safe);
        pl_json_set(call->result, "session", json_string(safe));
    }
    return status;
}

/* Without what only scripts need. */
static void put_sessions(const pl_call *call, pl_buf *out)
{
    size_t index;
    json_t *row;
    json_t *rows = json_object_get(call->result, "sessions");
    if (rows != NULL && json_array_size(rows) == 0) {
        pl_buf_puts(out, "no session is kept yet\n");
        return;
    }
    json_t *shown = json_deep_copy(call->result);
    json_array_foreach(json_object_get(shown, "sessions"), index, row)
    {
        json_object_del(row, "model_path");
        json_object_del(row, "path");
    }
    pl_result_object(shown, out);
    json_decref(shown);
    pl_buf_puts(out, rows != NULL ? "`sessions open N` opens one\n" : "");
}

const pl_command pl_command_sessions = {
    .name = "sessions",
    .positional = "[open] SESSION",
    .max_words = 2,
    .keys = pl_no_keys,
    .of_run = "*",
    .summary = "List the sessions, one a model, newest first; Enter or `sessions open N` opens one",
    .history = PL_HISTORY_NONE,
    .on_screen = sessions_on_screen,
    .in_batch = sessions_in_batch,
    .put_text = put_sessions,
};
