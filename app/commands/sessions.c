/* sessions: the ones that are kept, one a model, and another one opened. */
#include "app/commands/list.h"
#include "app/portable.h"
#include "app/sessions.h"
#include "app/workbench/services.h"
#include "core/base/json.h"

#include <string.h>

typedef enum asked { LISTS, OPENS, EXPORTS, IMPORTS } asked;

static pl_status read_asked(const pl_call *call, asked *what, pl_error *err)
{
    static const char *const words[] = {"", "open", "export", "import"};
    *what = LISTS;
    for (asked i = OPENS; i <= IMPORTS && call->n_words == 2; i++) {
        *what = strcmp(call->words[0], words[i]) == 0 ? i : *what;
    }
    if (*what != IMPORTS && call->n_keys > 0) {
        return pl_error_set(err, PL_ERR_USAGE, "sessions: %s= goes with `sessions import FILE`",
                            call->names[0]);
    }
    return *what != LISTS || call->n_words == 0
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE,
                              "sessions: expected `sessions`, `sessions open NAME` (a name or a "
                              "number of the list), `sessions export FILE` or `sessions import "
                              "FILE`");
}

static pl_session_act act_of(asked what)
{
    return what == EXPORTS ? pl_front_export_session : pl_front_import_session;
}

static pl_status sessions_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    asked what = LISTS;
    pl_status status = read_asked(call, &what, err);
    *taken = status != PL_OK || what == LISTS || what == OPENS;
    if (status != PL_OK) {
        return status;
    }
    return what == LISTS   ? pl_screen_offer_sessions(screen, err)
           : what == OPENS ? pl_screen_take_session(screen, call->words[1], err)
                           : pl_screen_act(screen, call, act_of(what), "the session", err);
}

static pl_status sessions_in_batch(pl_front *front, pl_call *call, pl_error *err)
{
    asked what = LISTS;
    pl_state state;
    pl_status status = read_asked(call, &what, err);
    if (status != PL_OK || what == LISTS) {
        return status == PL_OK ? pl_front_list_sessions(front, call->result, err) : status;
    }
    if (what != OPENS) {
        return pl_front_act(front, call, act_of(what), err);
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

static const pl_key sessions_keys[] = {
    {"model", PL_KEY_FILE, NULL, NULL, "of import: where the session's model is here"},
    {"files", PL_KEY_FILE, NULL, NULL, "of import: a folder that has its texts"},
    {"name", PL_KEY_TEXT, NULL, NULL, "of import: what it is called here; else as the file"},
    {0},
};

const pl_command pl_command_sessions = {
    .name = "sessions",
    .positional = "[open|export|import] SESSION|FILE",
    .max_words = 2,
    .keys = sessions_keys,
    .of_run = "*",
    .summary = "List the sessions, newest first; open one; export the present one as one portable "
               "file, or import such a file",
    .history = PL_HISTORY_NONE,
    .on_screen = sessions_on_screen,
    .in_batch = sessions_in_batch,
    .put_text = put_sessions,
};
