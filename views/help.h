/* views/help.h -- the help overlay: keys from the key table, commands from the command table. */
#ifndef PL_VIEWS_HELP_H
#define PL_VIEWS_HELP_H

#include "views/keymap.h"
#include "views/surface.h"

#include <stdbool.h>

/* A page of text over the panes; {0} is closed. */
typedef struct pl_help_view {
    bool open;
    char *text;     /* lines; a line that starts with '#' is a heading */
    size_t top;     /* first row shown; SIZE_MAX: the last page */
    int width;      /* of the page as it was drawn last */
    bool typing;    /* a word to find is being typed */
    char word[48];  /* it, or "" */
    bool not_found; /* the word does not occur (again) */
} pl_help_view;

/* Opens it with the keys of all panes (keys NULL: the built-in table) and the given help of
 * commands and methods. */
PL_NODISCARD pl_status pl_help_open(pl_help_view *view, const pl_keymap *keys, const char *commands,
                                    pl_error *err);

/* Opens it with a text of its own. */
PL_NODISCARD pl_status pl_help_show(pl_help_view *view, const char *title, const char *text,
                                    pl_error *err);
void pl_help_close(pl_help_view *view);

void pl_help_draw(pl_help_view *view, pl_surface *surface, pl_rect rect);

/* Scrolls, finds a word (/, n, N), or closes on Esc, q and ?.  Every key is taken. */
void pl_help_key(pl_help_view *view, pl_press press, int page);

#endif
