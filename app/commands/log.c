/* log: what was done, on the screen, as a list or as a script. */
#include "app/commands/list.h"
#include "app/sessions.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static pl_status log_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *file = pl_call_value(call, "file");
    if (file != NULL) {
        return pl_screen_write_log(screen, file, err);
    }
    pl_screen_show_log(screen);
    return PL_OK;
}

/* --- in a batch ------------------------------------------------------------------------------- */

static void add_log_row(void *ctx, const pl_session_command *one)
{
    struct tm day = {0};
    char when[32] = "";
    const time_t at = (time_t)(one->time_ms / 1000);
    json_t *row = json_object();
    localtime_r(&at, &day);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &day);
    pl_json_set(row, "step", json_integer((json_int_t)one->number));
    pl_json_set(row, "when", json_string(when));
    pl_json_set(row, "ok", json_boolean(one->ok));
    pl_json_set(row, "command", pl_session_safe_json(one->text));
    pl_json_set(row, "error", pl_session_safe_json(one->error));
    pl_json_append(ctx, row);
}

static pl_status log_in_batch(pl_front *front, pl_call *call, pl_error *err)
{
    size_t most = SIZE_MAX >> 1;
    const char *file = pl_call_value(call, "file");
    if (front->session == NULL) {
        return pl_front_need_kept(front, "log", err);
    }
    pl_status status = PL_OK;
    if (pl_call_value(call, "top") != NULL) {
        status = pl_usage_size(call, "top", 1, SIZE_MAX >> 1, &most, err);
    }
    if (status == PL_OK && file != NULL) {
        status = pl_session_export(front->session, file, pl_text_ends_run, err);
        pl_json_set(call->result, "file", pl_session_safe_json(file));
    } else if (status == PL_OK) {
        json_t *rows = json_array();
        pl_json_set(call->result, "commands", rows);
        status = pl_session_commands(front->session, most, add_log_row, rows, err);
    }
    return status;
}

static const pl_key log_keys[] = {
    {"top", PL_KEY_INT, NULL, NULL, "the newest so many only (in a batch)"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "a script for --batch: the session's commands"},
    {0},
};

const pl_command pl_command_log = {
    .name = "log",
    .positional = "",
    .keys = log_keys,
    .on_screen = log_on_screen,
    .in_batch = log_in_batch,
    .history = PL_HISTORY_NONE,
    .least = "when error",
    .of_run = "*",
    .summary = "Show what the session has done, numbered; file= writes it as a script for --batch",
};
