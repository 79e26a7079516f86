/* views/theme.h -- what a style looks like: four themes, for 256, 8 and no colours.
 *
 * dark and light are for backgrounds of their kind; safe takes Okabe and Ito's colours (2008),
 * which the colour-blind tell apart, on either; none has no colours.  A look without a background
 * keeps the terminal's. */
#ifndef PL_VIEWS_THEME_H
#define PL_VIEWS_THEME_H

#include "views/surface.h"

#include <stdbool.h>

typedef enum pl_theme {
    PL_THEME_DARK,
    PL_THEME_LIGHT,
    PL_THEME_SAFE,
    PL_THEME_NONE,
    PL_THEME_COUNT,
} pl_theme;

enum { PL_LOOK_BOLD = 1, PL_LOOK_DIM = 2, PL_LOOK_REVERSE = 4 };

/* Colours by number, -1: the terminal's own. */
typedef struct pl_look {
    short fg256, bg256, fg8;
    unsigned colour_flags, plain_flags; /* PL_LOOK_; with colours, without */
} pl_look;

/* "dark", "light", "safe", "none". */
const char *pl_theme_name(pl_theme theme);
/* PL_THEME_COUNT for another name. */
pl_theme pl_theme_find(const char *name);

/* light: the terminal's background is light (only safe asks). */
pl_look pl_theme_look(pl_theme theme, bool light, pl_style style);

/* xterm's colour cube and greys, 16 ... 255. */
void pl_theme_rgb(int colour, int rgb[3]);

#endif
