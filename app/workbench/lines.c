/* Typed lines and commands made by keys: parsing, applying, undo and redo. */
#include "app/workbench/parts.h"
#include "core/base/clock.h"
#include "views/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- undo ------------------------------------------------------------------------------------- */

static void clear(pl_undo *undo)
{
    for (size_t i = 0; i < undo->count; i++) {
        pl_state_deinit(&undo->states[i]);
    }
    undo->count = 0;
}

/* Takes the state over. */
static void push(pl_undo *undo, const pl_state *state)
{
    if (undo->count == PL_UNDO_DEPTH) {
        pl_state_deinit(&undo->states[0]);
        undo->count--;
        memmove(undo->states, undo->states + 1, undo->count * sizeof *undo->states);
    }
    undo->states[undo->count++] = *state;
}

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
    /* A step that never got its result while the knob was turned is solved now. */
    if (solved && pl_state_result(screen->state, screen->state->layer) == NULL) {
        screen->live_wanted = true;
    }
    screen->last_command = NULL;
    if (screen->options->changed != NULL) {
        screen->options->changed(screen->options->ctx, how, screen->state);
    }
}

void pl_screen_step_history(pl_screen *screen, bool back)
{
    pl_undo *from = back ? &screen->undo : &screen->redo;
    pl_undo *to = back ? &screen->redo : &screen->undo;
    if (from->count == 0) {
        pl_screen_say(screen, PL_MESSAGE_INFO, back ? "nothing to undo" : "nothing to redo");
        return;
    }
    pl_state old = *screen->state;
    *screen->state = from->states[--from->count];
    push(to, &old);
    state_replaced(screen, &old, back ? "undo" : "redo");
    pl_screen_say(screen, PL_MESSAGE_INFO, back ? "undone" : "redone");
}

void pl_screen_restore(pl_screen *screen)
{
    pl_state state;
    pl_error err = {0};
    if (screen->options->restore == NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "there is no last session");
        return;
    }
    if (screen->options->restore(screen->options->ctx, &state, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        return;
    }
    pl_state old = *screen->state;
    *screen->state = state;
    push(&screen->undo, &old);
    clear(&screen->redo);
    state_replaced(screen, &old, "restore");
    if (pl_state_check_origin(screen->state, true, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, err.message);
    } else {
        pl_screen_say(screen, PL_MESSAGE_INFO, "the last session is restored; u undoes it");
    }
}

/* --- the apply half --------------------------------------------------------------------------- */

static bool is_step(const pl_call *call)
{
    return call->command->apply != NULL && call->command->history != PL_HISTORY_NONE;
}

/* Whether the call belongs to the step that the undo log ends with. */
static bool goes_on(pl_screen *screen, const pl_command *command)
{
    return command == screen->last_command &&
           (command->history == PL_HISTORY_MERGED ||
            (command->history == PL_HISTORY_KNOB && pl_screen_knob_goes_on(screen)));
}

static pl_status apply(pl_screen *screen, pl_call *call, pl_error *err)
{
    if (call->command->apply == NULL) {
        return PL_OK;
    }
    pl_state before;
    pl_status status = pl_state_copy(&before, screen->state, err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_call_apply(call, screen->state, err);
    bool again = goes_on(screen, call->command);
    if (is_step(call)) {
        screen->live.knob = 0; /* a command in between ends a turn */
    }
    if (status != PL_OK || !is_step(call) || again) {
        pl_state_deinit(&before);
        return status;
    }
    push(&screen->undo, &before);
    clear(&screen->redo);
    screen->last_command = call->command;
    return status;
}

/* What has to be drawn or computed anew. */
static void follow(pl_screen *screen, const pl_call *call, const pl_source *old_source)
{
    if (screen->state->source != old_source) {
        pl_screen_new_model(screen);
    } else if (call->command->follow != NULL) {
        call->command->follow(screen, call, PL_OK);
    } else {
        screen->picture_wanted = screen->picture_wanted || call->command->apply != NULL;
    }
    screen->quit = screen->quit || call->command->ends_run;
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

/* A table, and what does not fit the message's lines, is shown over the panes. */
static void show_result(pl_screen *screen, const pl_call *call)
{
    pl_buf line = {0};
    pl_result_line(call, &line);
    add_folder(call, &line);
    int room = 2 * screen->surface.cols - 20;
    bool fits = line.data == NULL || (int)pl_text_width(line.data) <= room;
    if (call->command->apply == NULL && (has_table(call) || !fits)) {
        pl_buf text = {0};
        pl_error err = {0};
        pl_result_text(call, &text);
        const char *s = text.data != NULL ? text.data : "";
        if (pl_help_show(&screen->help, call->text, s, &err) != PL_OK) {
            pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        }
        pl_buf_deinit(&text);
    }
    if (call->warning != NULL) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, call->warning);
    } else if (call->command->says_itself) {
        pl_screen_say(screen, PL_MESSAGE_INFO, call->text);
    } else if (line.data != NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, line.data);
    }
    pl_buf_deinit(&line);
}

static void drop_line(pl_screen *screen, uint64_t id)
{
    for (pl_typed_line **at = &screen->lines; *at != NULL; at = &(*at)->next) {
        pl_typed_line *line = *at;
        if (line->id == id) {
            *at = line->next;
            free(line->text);
            free(line);
            return;
        }
    }
}

static void end_line_step(pl_screen *screen, uint64_t id, bool failed)
{
    if (failed) {
        drop_line(screen, id);
    }
    for (pl_typed_line *line = screen->lines; line != NULL; line = line->next) {
        line->busy = line->busy && line->id != id;
    }
}

/* Selects and views that keys make in a row are one line. */
static void log_call(pl_screen *screen, const pl_call *call, bool typed, pl_status status,
                     const pl_error *why)
{
    bool light = !typed && call->command->history == PL_HISTORY_MERGED;
    double seconds = screen->call_began > 0 ? pl_clock_now() - screen->call_began : 0;
    pl_buf line = {0};
    if (status == PL_OK) {
        pl_result_line(call, &line);
    } else {
        pl_buf_puts(&line, status == PL_ERR_CANCELLED ? "cancelled" : why->message);
    }
    pl_screen_log(screen, call->text, line.data != NULL ? line.data : "", status == PL_OK, seconds,
                  light && screen->key_logged);
    screen->key_logged = light;
    screen->call_began = 0;
    pl_buf_deinit(&line);
}

void pl_screen_end_call(pl_screen *screen, pl_call *call, uint64_t line, pl_status status,
                        const pl_error *err)
{
    pl_error why = err != NULL ? *err : (pl_error){0};
    const pl_source *source = screen->state->source;
    if (status == PL_OK) {
        status = apply(screen, call, &why);
    }
    if (status == PL_OK) {
        pl_screen_keep_solutions(screen, call);
        follow(screen, call, source);
        if (line != 0) {
            show_result(screen, call);
        } else if (call->warning != NULL) {
            pl_screen_say(screen, PL_MESSAGE_WARNING, call->warning);
        }
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
    log_call(screen, call, line != 0, status, &why);
    if (status == PL_OK) {
        pl_screen_follow_tour(screen, call);
    }
    if (screen->options->ended != NULL) {
        screen->options->ended(screen->options->ctx, call, status == PL_OK ? NULL : &why,
                               screen->state);
    }
    pl_call_destroy(call);
    end_line_step(screen, line, status != PL_OK);
    screen->dirty = true;
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
    pl_screen_end_call(screen, call, id, status, &err);
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
        drop_line(screen, line->id);
        return true;
    }
    if (status == PL_OK) {
        status = pl_call_parse(text, &call, &err);
    }
    free(text);
    if (status != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        drop_line(screen, line->id);
        return true;
    }
    /* One long job after another: the second may need what the first one brings. */
    if (pl_call_is_slow(call) && pl_screen_slow_runs(screen)) {
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
    while (again && !screen->quit) {
        again = false;
        for (pl_typed_line *line = screen->lines; line != NULL; line = line->next) {
            if (!line->busy && step_line(screen, line)) {
                again = true; /* the list may have changed */
                break;
            }
        }
    }
}

void pl_screen_type_line(pl_screen *screen, const char *text)
{
    pl_typed_line *line = calloc(1, sizeof *line);
    char *copy = strdup(text);
    if (line == NULL || copy == NULL) {
        free(line);
        free(copy);
        pl_screen_say(screen, PL_MESSAGE_ERROR, "out of memory");
        return;
    }
    line->id = ++screen->last_line;
    line->text = copy;
    line->rest = copy;
    pl_typed_line **end = &screen->lines;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = line;
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
    screen->live_wanted = screen->live_wanted || (live && screen->state->source != NULL);
}

void pl_screen_free_commands(pl_screen *screen)
{
    while (screen->lines != NULL) {
        drop_line(screen, screen->lines->id);
    }
    clear(&screen->undo);
    clear(&screen->redo);
}
