#include "app/workbench/lines.h"

#include "app/workbench/parts.h"
#include "app/workbench/resume.h"
#include "app/workbench/say.h"
#include "app/workbench/show.h"
#include "app/workbench/tour.h"
#include "app/workbench/work.h"
#include "core/base/clock.h"
#include "views/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the end of a call ------------------------------------------------------------------------ */

/* The apply half, as a step to undo where it is one. */
static pl_status apply_call(pl_screen *screen, pl_call *call, pl_error *err)
{
    if (call->command->apply == NULL) {
        return PL_OK;
    }
    pl_state before;
    pl_status status = pl_state_copy(&before, screen->state, err);
    if (status == PL_OK) {
        status = pl_call_apply(call, screen->state, err);
        pl_undo_add(&screen->undo, call->command, &before, status == PL_OK && !call->unchanged);
    }
    return status;
}

/* What has to be drawn or computed anew. */
static void follow_call(pl_screen *screen, const pl_call *call, const pl_source *old_source)
{
    if (screen->state->source != old_source) {
        pl_screen_new_model(screen);
    } else if (call->command->follow != NULL) {
        call->command->follow(screen, call, PL_OK);
    } else if (call->command->apply != NULL) {
        pl_wants_picture(&screen->wants);
    }
    screen->loop.quit = screen->loop.quit || call->command->ends_run;
}

/* Where a file with a relative name has gone: who sits in tmux need not know the folder. */
static void add_folder(const pl_call *call, pl_buf *line)
{
    const char *file = json_string_value(json_object_get(call->result, "file"));
    char *folder = file != NULL && file[0] != '/' ? getcwd(NULL, 0) : NULL;
    if (folder != NULL) {
        char safe[1024];
        pl_text_escape(folder, strlen(folder), safe, sizeof safe);
        pl_buf_printf(line, "  in %s", safe);
    }
    free(folder);
}

static bool has_table(const pl_call *call)
{
    const char *name;
    json_t *value;
    json_object_foreach(call->result, name, value)
    {
        if (json_is_array(value) && json_array_size(value) > 0) {
            return true;
        }
    }
    return false;
}

/* The result's own sentence where it has but one, else its object in a line. */
static void put_message(const pl_call *call, pl_buf *line)
{
    if (call->command->put_text != NULL) {
        pl_result_text(call, line);
    }
    const char *end = line->data != NULL ? strchr(line->data, '\n') : NULL;
    if (end != NULL && end[1] == '\0') {
        line->data[--line->size] = '\0';
        return;
    }
    pl_buf_deinit(line);
    pl_result_line(call, line);
}

/* A table, and what does not fit the message's lines, is shown over the panes. */
static void show_result(pl_screen *screen, pl_call *call)
{
    pl_buf line = {0};
    put_message(call, &line);
    add_folder(call, &line);
    int room = 2 * screen->face.surface.cols - 20;
    bool fits = line.data == NULL || (int)pl_text_width(line.data) <= room;
    const bool looks = call->command->apply == NULL || call->unchanged;
    if (looks && (has_table(call) || !fits)) {
        pl_buf text = {0};
        pl_result_text(call, &text);
        pl_screen_show_text(screen, call->text, text.data != NULL ? text.data : "");
        pl_buf_deinit(&text);
    }
    if (call->warning != NULL) {
        /* What became of it as well, where there is room for both. */
        pl_buf both = {0};
        pl_buf_printf(&both, "%s;  %s", call->warning, line.data != NULL ? line.data : "");
        const bool room_for_both = both.data != NULL && (int)pl_text_width(both.data) <= room;
        pl_screen_say(screen, PL_MESSAGE_WARNING, room_for_both ? both.data : call->warning);
        pl_buf_deinit(&both);
    } else if (call->command->says_itself) {
        pl_screen_say(screen, PL_MESSAGE_INFO, call->text);
    } else if (line.data != NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, line.data);
    }
    pl_buf_deinit(&line);
}

/* Selects and views that keys make in a row are one line. */
static void log_call(pl_screen *screen, const pl_call *call, bool typed, double began,
                     pl_status status, const pl_error *why)
{
    bool light = !typed && call->command->history == PL_HISTORY_LOOK;
    double seconds = began > 0 ? pl_clock_now() - began : 0;
    pl_buf line = {0};
    if (status == PL_OK && !call->command->says_itself) {
        pl_result_line(call, &line);
    } else if (status != PL_OK) {
        pl_buf_puts(&line, status == PL_ERR_CANCELLED ? "cancelled" : why->message);
    }
    pl_call_log_add(&screen->log, call->text, line.data != NULL ? line.data : "", status == PL_OK,
                    seconds, light);
    pl_buf_deinit(&line);
}

/* What there is to say of the session of a model that has just been opened. */
static void say_told(pl_screen *screen)
{
    char *told = screen->options->told != NULL ? screen->options->told(screen->options->ctx) : NULL;
    if (told != NULL && told[0] != '\0') {
        pl_screen_say(screen, PL_MESSAGE_INFO, told);
        pl_screen_look_for_cut_off(screen, true);
        told[0] = '\0';
    }
}

void pl_screen_end_call(pl_screen *screen, pl_call *call, uint64_t line, double began,
                        pl_status status, const pl_error *err)
{
    pl_error why = err != NULL ? *err : (pl_error){0};
    const pl_source *source = screen->state->source;
    PL_THEN(apply_call(screen, call, &why));
    if (status == PL_OK) {
        pl_scores_keep_solved(&screen->scores, call);
        call->columns = (size_t)screen->face.surface.cols - 2; /* the text's margins */
        follow_call(screen, call, source);
        if (line != 0) {
            show_result(screen, call);
        } else if (call->warning != NULL) {
            pl_screen_say(screen, PL_MESSAGE_WARNING, call->warning);
        }
    } else if (status == PL_ERR_CANCELLED && pl_call_is_slow(call)) {
        pl_screen_note_stopped(screen, call);
    } else if (status == PL_ERR_CANCELLED) {
        char text[128];
        snprintf(text, sizeof text, "%s: cancelled", call->command->name);
        pl_screen_say(screen, PL_MESSAGE_WARNING, text);
    } else {
        pl_screen_say(screen, PL_MESSAGE_ERROR, why.message);
    }
    if (status != PL_OK && call->command->follow != NULL) {
        call->command->follow(screen, call, status);
    }
    log_call(screen, call, line != 0, began, status, &why);
    if (status == PL_OK) {
        pl_screen_follow_tour(screen, call);
    }
    if (screen->options->ended != NULL) {
        screen->options->ended(screen->options->ctx, call, status == PL_OK ? NULL : &why,
                               screen->state);
        say_told(screen);
    }
    pl_call_destroy(call);
    pl_typed_go_on(&screen->typed, line, status != PL_OK);
    screen->loop.dirty = true;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Runs a parsed call now or hands it to the worker.  Takes it over.  line: NULL for a key's. */
static void start_call(pl_screen *screen, pl_call *call, pl_typed_line *line)
{
    const pl_command *command = call->command;
    uint64_t id = line != NULL ? line->id : 0;
    pl_error err = {0};
    pl_status status = PL_OK;
    bool taken = false;
    if (command->on_screen != NULL) {
        status = command->on_screen(screen, call, &taken, &err);
    }
    if (taken) {
        if (status != PL_OK) {
            pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        }
        pl_call_destroy(call);
        return;
    }
    if (status == PL_OK && command->run != NULL) {
        status = pl_screen_submit_call(screen, call, id, &err);
        if (status == PL_OK) {
            if (line != NULL) {
                line->busy = true;
                pl_screen_say(screen, PL_MESSAGE_INFO, "");
            }
            return;
        }
    }
    pl_screen_end_call(screen, call, id, 0, status, &err);
}

/* The next command of a line; false when the line has to wait. */
static bool step_line(pl_screen *screen, pl_typed_line *line)
{
    const char *rest = line->rest;
    char *text = NULL;
    pl_call *call = NULL;
    pl_error err = {0};
    pl_status status = pl_script_next(&rest, &text, &err);
    if (status == PL_OK && text == NULL) {
        pl_typed_drop(&screen->typed, line->id);
        return true;
    }
    PL_THEN(pl_call_parse(text, &call, &err));
    free(text);
    if (status != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        pl_typed_drop(&screen->typed, line->id);
        return true;
    }
    /* One long job after another: the second may need what the first one brings. */
    if (pl_call_is_slow(call) && pl_jobs_slow_run(&screen->jobs)) {
        pl_call_destroy(call);
        return false;
    }
    line->rest = rest;
    start_call(screen, call, line);
    return true;
}

void pl_screen_pump_lines(pl_screen *screen)
{
    bool again = true;
    while (again && !screen->loop.quit) {
        again = false;
        for (pl_typed_line *line = screen->typed.first; line != NULL; line = line->next) {
            if (!line->busy && step_line(screen, line)) {
                again = true; /* the list may have changed */
                break;
            }
        }
    }
}

void pl_screen_type_line(pl_screen *screen, const char *text)
{
    pl_error err = {0};
    if (pl_typed_add(&screen->typed, text, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        return;
    }
    pl_screen_pump_lines(screen);
}

void pl_screen_key_command(pl_screen *screen, const char *text, bool live)
{
    pl_call *call = NULL;
    pl_error err = {0};
    if (pl_call_parse(text, &call, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        return;
    }
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
    if (call->command->history == PL_HISTORY_KNOB) {
        screen->state->suggested = false; /* who turns at what is shown has taken it */
    }
    start_call(screen, call, NULL);
    if (live && screen->state->source != NULL) {
        pl_wants_solve(&screen->wants);
    }
}
