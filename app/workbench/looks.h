/* app/workbench/looks.h -- theme, marks, pixels and mouse, and their memory. */
#ifndef PL_APP_WORKBENCH_LOOKS_H
#define PL_APP_WORKBENCH_LOOKS_H

#include "app/command.h"
#include "views/theme.h"

/* Sets them from options and settings. */
void pl_screen_set_looks(pl_screen *screen);

/* Shows a theme, says which and remembers it; PL_THEME_COUNT: the terminal's usual one. */
void pl_screen_choose_theme(pl_screen *screen, pl_theme theme);
void pl_screen_next_theme(pl_screen *screen);
/* "braille", "blocks" or "ascii"; NULL: what the locale and the terminal can show. */
void pl_screen_choose_marks(pl_screen *screen, const char *marks);
/* "yes", "auto" or "no": whether the main pane's figure is an image if the terminal shows images;
 * "yes" also reports the terminal's answer. */
void pl_screen_choose_pixels(pl_screen *screen, const char *wanted);
/* Whether planish gets the mouse, or the terminal's own selection. */
void pl_screen_choose_mouse(pl_screen *screen, bool on);

#endif
