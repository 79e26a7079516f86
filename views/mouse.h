/* views/mouse.h -- which pane a report of the mouse is for.  pl_screen_draw has noted where the
 * panes are (model->panes). */
#ifndef PL_VIEWS_MOUSE_H
#define PL_VIEWS_MOUSE_H

#include "views/panel.h"

enum { PL_WHEEL_LINES = 3 };

/* A press focuses the pane under it, which gets all reports until the release; a second press at
 * the same place is Enter.  The wheel acts on the pane under it. */
void pl_screen_mouse(pl_screen_model *model, pl_mouse mouse, pl_intent *intent);

/* The line under the mouse in a list that begins `first` rows below the rectangle's top; -1 where
 * there is none. */
int pl_mouse_line(pl_mouse mouse, pl_rect rect, int first);

bool pl_rect_holds(pl_rect rect, int y, int x);

/* Scrolls a list by the wheel; false for other reports.  *held: keeps it there until another row
 * than `row` is selected (pl_panel_scroll_held). */
bool pl_mouse_scroll(pl_mouse mouse, size_t row, size_t *top, size_t *held);

#endif
