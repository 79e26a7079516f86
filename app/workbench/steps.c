#include "app/workbench/steps.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "app/workbench/work.h"
#include "core/state/record.h"
#include "core/base/json.h"
#include "core/state/difference.h"
#include "views/text.h"
#include "views/tuner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Follows a change of the whole state. */
static void state_replaced(pl_screen *screen, const pl_state *old, const char *how)
{
    bool solved = old->source == screen->state->source && old->source != NULL &&
                  old->layer == screen->state->layer && pl_state_result(old, old->layer) != NULL;
    if (old->source != screen->state->source) {
        pl_screen_new_model(screen);
    } else {
        pl_screen_new_inputs(screen);
    }
    pl_state_recall(screen->state);
    pl_tuner_follow(&screen->model);
    /* A step that never got its result while the knob was turned is solved now. */
    if (solved && pl_state_result(screen->state, screen->state->layer) == NULL &&
        pl_can_solve(screen->state)) {
        pl_wants_solve(&screen->wants);
    }
    if (screen->options->changed != NULL) {
        screen->options->changed(screen->options->ctx, how, screen->state);
    }
}

void pl_screen_step_history(pl_screen *screen, bool back)
{
    pl_state old;
    const char *const name = back ? "undo" : "redo";
    pl_buf text = {0};
    if (!pl_undo_step(&screen->undo, back, screen->state, &old)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, back ? "nothing to undo" : "nothing to redo");
        return;
    }
    pl_buf_printf(&text, "%s: ", name);
    pl_state_put_difference(&old, screen->state, &text);
    state_replaced(screen, &old, name);
    pl_screen_say(screen, PL_MESSAGE_INFO, text.failed ? name : text.data);
    pl_buf_deinit(&text);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Whom the session's commands are handed to. */
typedef struct log_reader {
    pl_screen *screen;
    char
        *stopped; /* the long command that was stopped last and has not been run to its end since */
} log_reader;

static void note_stopped(log_reader *reader, const pl_session_command *one)
{
    const bool stopped = !one->ok && one->error != NULL && pl_text_ends(one->error, "cancelled");
    const bool same = reader->stopped != NULL && strcmp(reader->stopped, one->text) == 0;
    if (stopped || same) {
        free(reader->stopped);
        reader->stopped = stopped ? strdup(one->text) : NULL;
    }
}

static void add_log_line(void *to, const pl_session_command *one)
{
    log_reader *reader = to;
    pl_screen *screen = reader->screen;
    pl_call *call = NULL;
    pl_buf line = {0};
    json_t *result = one->result != NULL ? json_loads(one->result, 0, NULL) : NULL;
    double seconds = json_number_value(json_object_get(result, "seconds"));
    bool light = false;
    if (one->error != NULL) {
        pl_buf_puts(&line, one->error);
    }
    if (pl_call_parse(one->text, &call, NULL) == PL_OK) {
        light = call->command->history == PL_HISTORY_LOOK;
        if (pl_call_is_slow(call)) {
            note_stopped(reader, one);
        }
        if (json_is_object(result) && one->ok) {
            json_decref(call->result);
            call->result = json_incref(result);
            pl_result_line(call, &line);
        }
    }
    pl_call_log_add_at(&screen->log, one->text, line.data != NULL ? line.data : "", one->ok,
                       seconds, light, one->time_ms / 1000 - (int64_t)seconds);
    pl_call_destroy(call);
    json_decref(result);
    pl_buf_deinit(&line);
}

/* Replaces the log by the session's: its earlier commands, and this run's; a command that was
 * stopped can be resumed. */
static void read_log(pl_screen *screen)
{
    const pl_screen_options *options = screen->options;
    if (options->commands == NULL) {
        return;
    }
    pl_call_log_deinit(&screen->log);
    pl_error err = {0};
    log_reader reader = {.screen = screen};
    if (options->commands(options->ctx, PL_LOG_LINES, add_log_line, &reader, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, err.message);
    }
    if (screen->resume.line == NULL &&
        (options->cut_off == NULL || options->cut_off(options->ctx) == NULL)) {
        screen->resume.line = reader.stopped;
        reader.stopped = NULL;
    }
    free(reader.stopped);
}

/* Takes a session's state over, as a step that undo takes back. */
static void take_state(pl_screen *screen, pl_state *state, const char *what)
{
    pl_error err = {0};
    pl_state old = *screen->state;
    char *told = screen->options->told != NULL ? screen->options->told(screen->options->ctx) : NULL;
    *screen->state = *state;
    pl_undo_add_state(&screen->undo, &old);
    state_replaced(screen, &old, "restore");
    read_log(screen);
    screen->resume.restore = false; /* it has been */
    if (pl_state_check_origin(screen->state, true, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, err.message);
    } else if (told != NULL && told[0] != '\0') { /* it is only read */
        pl_screen_say(screen, PL_MESSAGE_WARNING, told);
    } else {
        const pl_screen_options *options = screen->options;
        const char *cut = options->cut_off != NULL ? options->cut_off(options->ctx) : NULL;
        const char *left = cut != NULL ? cut : screen->resume.line;
        char text[400];
        snprintf(text, sizeof text, "%s is restored; u undoes it%s%.200s%s", what,
                 left != NULL ? "; `" : "", left != NULL ? left : "",
                 cut != NULL    ? "` was cut off:  :resume goes on with it"
                 : left != NULL ? "` was stopped:  :resume runs it again"
                                : "");
        pl_screen_say(screen, PL_MESSAGE_INFO, text);
    }
    if (told != NULL) {
        told[0] = '\0'; /* it is done */
    }
}

bool pl_screen_restore(pl_screen *screen)
{
    const pl_screen_options *options = screen->options;
    pl_state state;
    pl_error err = {0};
    if (options->restore == NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "there is no last session");
        return false;
    }
    if (options->restore(options->ctx, screen->state, &state, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        return false;
    }
    take_state(screen, &state, "the last session");
    return true;
}

pl_status pl_screen_act(pl_screen *screen, pl_call *call, pl_session_act act, const char *what,
                        pl_error *err)
{
    const pl_screen_options *options = screen->options;
    pl_state state;
    bool moved = false;
    if (options->act == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "%s: there is no session here", call->command->name);
    }
    pl_status status = options->act(options->ctx, call, act, &state, &moved, err);
    if (status == PL_OK && moved) {
        take_state(screen, &state, what);
    }
    return status;
}

pl_status pl_screen_take_session(pl_screen *screen, const char *which, pl_error *err)
{
    const pl_screen_options *options = screen->options;
    pl_state state;
    if (options->take == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "sessions: there are none here");
    }
    pl_status status = options->take(options->ctx, which, &state, err);
    if (status == PL_OK) {
        char what[120];
        snprintf(what, sizeof what, "session %.80s", which);
        take_state(screen, &state, what);
    }
    return status;
}

/* --- the list of them ---------------------------------------------------------------------------
 */

/* The end of a path, which tells models apart. */
static void put_path_end(const char *path, int room, pl_buf *out)
{
    const bool cut = (int)pl_text_width(path) > room;
    while (cut && *path != '\0' && (int)pl_text_width(path) >= room) {
        pl_text_next(&path);
    }
    pl_buf_printf(out, "%s%s", cut ? "\u2026" : "", path);
}

static void add_session(pl_screen *screen, const json_t *row)
{
    const char *model = json_string_value(json_object_get(row, "model"));
    const char *path = json_string_value(json_object_get(row, "model_path"));
    const char *held = json_string_value(json_object_get(row, "open"));
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *when = json_string_value(json_object_get(row, "when"));
    char label[80];
    char command[400];
    char solved[48] = "empty";
    pl_buf detail = {0};
    const bool branch = json_is_string(json_object_get(row, "branch_of"));
    snprintf(label, sizeof label, branch && model != NULL ? "%.48s: %s" : "%s",
             branch || model == NULL ? name : model, model);
    snprintf(command, sizeof command, "sessions open \"%s\"", name);
    if (model != NULL) {
        snprintf(solved, sizeof solved, "%lld solved",
                 json_integer_value(json_object_get(row, "solved")));
    }
    pl_buf_printf(&detail, "%-16s  %-10s %s", model != NULL && when != NULL ? when : "", solved,
                  strcmp(held, "no") == 0 ? "" : held);
    pl_buf_puts(&detail, strcmp(held, "no") == 0 ? "" : "  ");
    const int room = pl_palette_detail_cols(screen->face.surface.cols);
    put_path_end(path != NULL ? path : "built in",
                 room - (int)pl_text_width(detail.data != NULL ? detail.data : ""), &detail);
    pl_palette_add(&screen->over.palette,
                   &(pl_palette_item){.label = label,
                                      .name = label,
                                      .detail = detail.failed ? NULL : detail.data,
                                      .command = command});
    pl_buf_deinit(&detail);
}

pl_status pl_screen_offer_sessions(pl_screen *screen, pl_error *err)
{
    const pl_screen_options *options = screen->options;
    pl_palette *palette = &screen->over.palette;
    size_t index;
    json_t *row;
    json_t *result = json_object();
    pl_status status = options->sessions != NULL
                           ? options->sessions(options->ctx, result, err)
                           : pl_error_set(err, PL_ERR_STATE, "sessions: there are none here");
    pl_palette_close(palette);
    json_array_foreach(json_object_get(result, "sessions"), index, row)
    {
        add_session(screen, row);
    }
    json_decref(result);
    if (status == PL_OK && palette->n == 0) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "no session is kept yet");
        return PL_OK;
    }
    PL_THEN(pl_palette_open(palette, err));
    palette->title = "Sessions";
    palette->hint = "a few letters of a model, a path or a day";
    palette->enter = "opens it";
    return status;
}
