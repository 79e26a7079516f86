/* views/help.h -- the help overlay: keys from the key table, commands from the command table. */
#ifndef PL_VIEWS_HELP_H
#define PL_VIEWS_HELP_H

#include "views/keys.h"
#include "views/surface.h"

#include <stdbool.h>

/* A page of text over the panes; {0} is closed. */
typedef struct pl_help_view {
    bool open;
    char *text; /* lines; a line that starts with '#' is a heading */
    size_t top; /* first row shown; SIZE_MAX: the last page */
} pl_help_view;

/* Opens it with the keys of all panes and the given help of the commands. */
PL_NODISCARD pl_status pl_help_open(pl_help_view *view, const char *commands, pl_error *err);

/* Opens it with a text of its own. */
PL_NODISCARD pl_status pl_help_show(pl_help_view *view, const char *title, const char *text,
                                    pl_error *err);
void pl_help_close(pl_help_view *view);

void pl_help_draw(pl_help_view *view, pl_surface *surface, pl_rect rect);

/* Scrolls, or closes on Esc, q and ?.  Every key is taken. */
void pl_help_key(pl_help_view *view, pl_press press, int page);

#endif
