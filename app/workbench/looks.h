/* app/workbench/looks.h -- theme, marks, pixels and mouse, and their memory. */
#ifndef PL_APP_WORKBENCH_LOOKS_H
#define PL_APP_WORKBENCH_LOOKS_H

#include "app/command.h"
#include "views/theme.h"

/* As the options and the settings want them. */
void pl_screen_set_looks(pl_screen *screen);

/* Shows a theme, says which and remembers it; PL_THEME_COUNT: the terminal's usual one. */
void pl_screen_choose_theme(pl_screen *screen, pl_theme theme);
void pl_screen_next_theme(pl_screen *screen);
/* "braille", "blocks" or "ascii"; NULL: what the locale and the terminal can show. */
void pl_screen_choose_marks(pl_screen *screen, const char *marks);
/* "yes", "auto" or "no": whether the main pane's figure is an image where the terminal shows them;
 * "yes" says what it has answered. */
void pl_screen_choose_pixels(pl_screen *screen, const char *wanted);
/* Whether planish or the terminal's own selection has the mouse. */
void pl_screen_choose_mouse(pl_screen *screen, bool on);

#endif
