/* Commands that only a screen has: they change what is shown, never the state's record. */
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

static pl_status theme(pl_screen *screen, const pl_call *call, pl_error *err)
{
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

static pl_status marks(pl_screen *screen, const pl_call *call, pl_error *err)
{
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

static pl_status tour(pl_screen *screen, const pl_call *call, pl_error *err)
{
    const char *word = call->n_words > 0 ? call->words[0] : "on";
    bool off = strcmp(word, "off") == 0;
    if (!off && strcmp(word, "on") != 0) {
        return pl_error_set(err, PL_ERR_USAGE, "tour %s: expected on or off", word);
    }
    pl_screen_set_tour(screen, off ? PL_TOUR_OFF : PL_TOUR_LAYERS);
    return PL_OK;
}

static pl_status jobs(pl_screen *screen, const pl_call *call, pl_error *err)
{
    (void)call;
    (void)err;
    screen->jobs_view = (pl_jobs_view){.open = true};
    return PL_OK;
}

static pl_status write_log(pl_screen *screen, const pl_call *call, pl_error *err)
{
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

static pl_status undo(pl_screen *screen, const pl_call *call, pl_error *err)
{
    (void)err;
    pl_screen_step_history(screen, strcmp(call->command->name, "undo") == 0);
    return PL_OK;
}

static pl_status restore(pl_screen *screen, const pl_call *call, pl_error *err)
{
    (void)call;
    (void)err;
    pl_screen_restore(screen);
    return PL_OK;
}

static pl_status cancel(pl_screen *screen, const pl_call *call, pl_error *err)
{
    (void)call;
    (void)err;
    if (!pl_screen_cancel(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing runs");
    }
    return PL_OK;
}

/* An expression is no list of words: >= has the = of a key. */
static pl_status filter(pl_screen *screen, const char *expression, pl_error *err)
{
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

static const struct {
    const char *name;
    pl_status (*run)(pl_screen *screen, const pl_call *call, pl_error *err);
} words[] = {
    {"undo", undo},     {"redo", undo}, {"restore", restore}, {"cancel", cancel},
    {"theme", theme},   {"marks", marks}, {"tour", tour},     {"jobs", jobs},
    {"log", write_log},
};

/* `learn pause` is no work for the worker: it stops what the worker does. */
static bool pause_learning(pl_screen *screen, const char *text)
{
    static const char pause[] = "learn pause";
    const size_t length = strlen(pause);
    if (strncmp(text, pause, length) != 0 || text[length + strspn(text + length, " \t")] != '\0') {
        return false;
    }
    if (!pl_screen_pause(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing is being learned");
    }
    return true;
}

bool pl_screen_run_word(pl_screen *screen, const char *text)
{
    pl_error err = {0};
    size_t length = strcspn(text, " \t");
    if (length == 6 && strncmp(text, "filter", 6) == 0) {
        if (filter(screen, text + 6 + strspn(text + 6, " \t"), &err) != PL_OK) {
            pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        }
        return true;
    }
    if (pause_learning(screen, text)) {
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].name) != length || strncmp(words[i].name, text, length) != 0) {
            continue;
        }
        pl_call *call = NULL;
        pl_status status = pl_call_parse(text, &call, &err);
        if (status == PL_OK) {
            status = words[i].run(screen, call, &err);
        }
        if (status != PL_OK) {
            pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        }
        pl_call_destroy(call);
        return true;
    }
    return false;
}
