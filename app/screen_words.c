/* Commands that only a screen has: they change what is shown, never the state's record. */
#include "app/handlers.h"
#include "app/screen_parts.h"

#include <stdio.h>
#include <string.h>

/* --- theme and marks -------------------------------------------------------------------------- */

static void save_settings(pl_screen *screen)
{
    pl_error err = {0};
    if (screen->options->settings != NULL &&
        pl_settings_write(screen->options->settings, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, err.message);
    }
}

static void set_marks(pl_screen *screen, const char *marks)
{
    pl_terminal_set_marks(screen->terminal, strcmp(marks, "auto") == 0 ? NULL : marks);
    screen->model.marks = pl_terminal_marks(screen->terminal);
    screen->surface.ascii = screen->model.marks == PL_MARKS_ASCII;
}

void pl_screen_set_looks(pl_screen *screen)
{
    const pl_screen_options *options = screen->options;
    const pl_settings *settings = options->settings;
    const char *theme = options->theme != NULL ? options->theme
                        : settings != NULL     ? settings->theme
                                               : "";
    const char *marks = options->marks != NULL ? options->marks
                        : settings != NULL     ? settings->marks
                                               : "";
    pl_theme found = pl_theme_find(theme);
    screen->theme = found < PL_THEME_COUNT ? found : pl_terminal_usual_theme();
    pl_terminal_set_theme(screen->terminal, screen->theme);
    set_marks(screen, marks[0] != '\0' ? marks : "auto");
}

static void choose_theme(pl_screen *screen, pl_theme theme)
{
    char text[80];
    screen->theme = theme;
    pl_terminal_set_theme(screen->terminal, theme);
    pl_settings *settings = screen->options->settings;
    bool colours = pl_terminal_colours(screen->terminal) > 0 || theme == PL_THEME_NONE;
    snprintf(text, sizeof text, "theme %s%s", pl_theme_name(theme),
             colours ? "" : "; this terminal shows no colours");
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
    if (settings != NULL) {
        snprintf(settings->theme, sizeof settings->theme, "%s", pl_theme_name(theme));
        save_settings(screen);
    }
}

void pl_screen_next_theme(pl_screen *screen)
{
    choose_theme(screen, (screen->theme + 1) % PL_THEME_COUNT);
}

pl_status pl_screen_word_theme(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    if (call->n_words == 0) {
        pl_screen_next_theme(screen);
        return PL_OK;
    }
    bool usual = strcmp(call->words[0], "auto") == 0;
    pl_theme wanted = usual ? pl_terminal_usual_theme() : pl_theme_find(call->words[0]);
    if (wanted == PL_THEME_COUNT) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "theme %s: expected dark, light, safe, none or auto", call->words[0]);
    }
    choose_theme(screen, wanted);
    if (usual && screen->options->settings != NULL) {
        screen->options->settings->theme[0] = '\0';
        save_settings(screen);
    }
    return PL_OK;
}

pl_status pl_screen_word_marks(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    static const char *const all[] = {"braille", "blocks", "ascii", "auto"};
    static const char *const shown[] = {
        [PL_MARKS_BRAILLE] = "braille",
        [PL_MARKS_BLOCKS] = "blocks",
        [PL_MARKS_HALVES] = "half blocks, as this terminal's font has them",
        [PL_MARKS_ASCII] = "ascii"};
    const char *wanted = call->words[0];
    size_t i = 0;
    while (i < sizeof all / sizeof *all && strcmp(all[i], wanted) != 0) {
        i++;
    }
    if (i == sizeof all / sizeof *all) {
        return pl_error_set(err, PL_ERR_USAGE, "marks %s: expected braille, blocks, ascii or auto",
                            wanted);
    }
    set_marks(screen, wanted);
    char text[96];
    snprintf(text, sizeof text, "marks: %s", shown[screen->model.marks]);
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
    if (screen->options->settings != NULL) {
        snprintf(screen->options->settings->marks, sizeof screen->options->settings->marks, "%s",
                 strcmp(wanted, "auto") == 0 ? "" : wanted);
        save_settings(screen);
    }
    return PL_OK;
}

/* --- the others ------------------------------------------------------------------------------- */

pl_status pl_screen_word_tour(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *word = call->n_words > 0 ? call->words[0] : "on";
    bool off = strcmp(word, "off") == 0;
    if (!off && strcmp(word, "on") != 0) {
        return pl_error_set(err, PL_ERR_USAGE, "tour %s: expected on or off", word);
    }
    pl_screen_set_tour(screen, off ? PL_TOUR_OFF : PL_TOUR_LAYERS);
    return PL_OK;
}

pl_status pl_screen_word_jobs(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    (void)call;
    (void)err;
    screen->jobs_view = (pl_jobs_view){.open = true};
    return PL_OK;
}

pl_status pl_screen_word_log(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *file = pl_call_value(call, "file");
    if (file == NULL) {
        pl_screen_show_log(screen);
        return PL_OK;
    }
    if (screen->options->script == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "log: there is no session to write");
    }
    pl_status status = screen->options->script(screen->options->ctx, file, err);
    if (status == PL_OK) {
        char text[400];
        snprintf(text, sizeof text, "the session's commands are in %.300s; planish --batch runs it",
                 file);
        pl_screen_say(screen, PL_MESSAGE_INFO, text);
    }
    return status;
}

pl_status pl_screen_word_undo(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    pl_screen_step_history(screen, true);
    return PL_OK;
}

pl_status pl_screen_word_redo(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    pl_screen_step_history(screen, false);
    return PL_OK;
}

pl_status pl_screen_word_restore(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    pl_screen_restore(screen);
    return PL_OK;
}

pl_status pl_screen_word_cancel(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    if (!pl_screen_cancel(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing runs");
    }
    return PL_OK;
}

pl_status pl_screen_word_filter(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = true;
    const char *expression = call->n_words > 0 ? call->words[0] : "";
    bool none = strcmp(expression, "none") == 0;
    pl_status status = pl_layers_filter(&screen->model, none ? "" : expression, err);
    if (status == PL_OK) {
        screen->model.views.layers.typing = false;
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      none || expression[0] == '\0' ? "all layers are listed"
                                                    : "filtered; :filter none lists all layers");
    }
    return status;
}

/* `learn pause` is no work for the worker: it stops what the worker does. */
pl_status pl_screen_word_learn(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)err;
    *taken = !pl_slow_learn(call);
    if (*taken && !pl_screen_pause(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing is being learned");
    }
    return PL_OK;
}

/* It ends as other commands do: with a line in the log. */
pl_status pl_screen_word_save(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    *taken = false;
    if (screen->options->save == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "save: there is no session to save to");
    }
    return screen->options->save(screen->options->ctx, screen->state, err);
}

pl_status pl_screen_word_help(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = false;
    pl_status status = pl_call_run(call, screen->state, NULL, NULL, err);
    if (status != PL_OK) {
        return status;
    }
    pl_buf text = {0};
    pl_result_text(call, &text);
    const char *s = text.data != NULL ? text.data : "";
    status = call->n_words > 0 ? pl_help_show(&screen->help, "Planish help", s, err)
                               : pl_help_open(&screen->help, screen->model.keys, s, err);
    pl_buf_deinit(&text);
    *taken = status == PL_OK;
    return status;
}
