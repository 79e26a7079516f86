#include "app/workbench/looks.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "core/base/clock.h"

#include <stdio.h>
#include <string.h>

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
    pl_terminal_set_marks(screen->face.terminal, marks);
    screen->model.marks = pl_terminal_marks(screen->face.terminal);
    screen->face.surface.ascii = screen->model.marks == PL_MARKS_ASCII;
}

/* False if it is not worth asking. */
static bool set_pixels(pl_screen *screen, const char *wanted)
{
    screen->face.pixels = wanted[0] != '\0' && strcmp(wanted, "no") != 0;
    return !screen->face.pixels || pl_terminal_ask_images(screen->face.terminal);
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
    screen->face.theme = found < PL_THEME_COUNT ? found : pl_terminal_usual_theme();
    pl_terminal_set_theme(screen->face.terminal, screen->face.theme);
    const bool usual = marks[0] == '\0' || strcmp(marks, "auto") == 0;
    set_marks(screen, usual ? NULL : marks);
    screen->face.mouse = options->mouse != NULL ? strcmp(options->mouse, "no") != 0
                                                : settings == NULL || !settings->mouse_off;
    (void)pl_terminal_set_mouse(screen->face.terminal, screen->face.mouse);
    (void)set_pixels(screen, settings != NULL ? settings->pixels : "");
}

void pl_screen_choose_theme(pl_screen *screen, pl_theme theme)
{
    char text[80];
    const bool usual = theme == PL_THEME_COUNT;
    screen->face.theme = usual ? pl_terminal_usual_theme() : theme;
    pl_terminal_set_theme(screen->face.terminal, screen->face.theme);
    pl_settings *settings = screen->options->settings;
    bool colours =
        pl_terminal_colours(screen->face.terminal) > 0 || screen->face.theme == PL_THEME_NONE;
    snprintf(text, sizeof text, "theme %s%s", pl_theme_name(screen->face.theme),
             colours ? "" : "; this terminal shows no colours");
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
    if (settings != NULL) {
        snprintf(settings->theme, sizeof settings->theme, "%s",
                 usual ? "" : pl_theme_name(screen->face.theme));
        save_settings(screen);
    }
}

void pl_screen_next_theme(pl_screen *screen)
{
    pl_screen_choose_theme(screen, (screen->face.theme + 1) % PL_THEME_COUNT);
}

void pl_screen_choose_marks(pl_screen *screen, const char *marks)
{
    static const char *const shown[] = {[PL_MARKS_BRAILLE] = "braille",
                                        [PL_MARKS_BLOCKS] = "blocks",
                                        [PL_MARKS_HALVES] =
                                            "half blocks, as this terminal's font has them",
                                        [PL_MARKS_ASCII] = "ascii"};
    pl_settings *settings = screen->options->settings;
    char text[96];
    set_marks(screen, marks);
    snprintf(text, sizeof text, "marks: %s", shown[screen->model.marks]);
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
    if (settings != NULL) {
        snprintf(settings->marks, sizeof settings->marks, "%s", marks != NULL ? marks : "");
        save_settings(screen);
    }
}

void pl_screen_choose_pixels(pl_screen *screen, const char *wanted)
{
    pl_settings *settings = screen->options->settings;
    const bool asked = set_pixels(screen, wanted);
    screen->pixels.asked = 0;
    screen->pixels.unanswered = false;
    if (!asked) {
        pl_screen_say(screen, PL_MESSAGE_WARNING,
                      "pixels: this terminal has no colours (NO_COLOR), or does not answer");
    } else if (strcmp(wanted, "yes") == 0) {
        screen->pixels.asked = pl_clock_now(); /* what it answers is said when it has come */
    } else {
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      screen->face.pixels ? "pixels: an image where the terminal shows them"
                                          : "pixels off: plots of characters");
    }
    if (settings != NULL) {
        snprintf(settings->pixels, sizeof settings->pixels, "%s",
                 screen->face.pixels ? wanted : "");
        save_settings(screen);
    }
}

void pl_screen_choose_mouse(pl_screen *screen, bool on)
{
    pl_settings *settings = screen->options->settings;
    screen->face.mouse = on;
    const bool has = pl_terminal_set_mouse(screen->face.terminal, on);
    pl_screen_say(screen, PL_MESSAGE_INFO,
                  !has ? "this terminal reports no mouse"
                  : on ? "mouse on; with Shift the terminal's own selection works"
                       : "mouse off: the terminal's own selection works");
    if (settings != NULL) {
        settings->mouse_off = !on;
        save_settings(screen);
    }
}
