/* views/mouse.h -- which pane a report of the mouse is for.  Where the panes are is what
 * pl_screen_draw has laid out last (model->panes). */
#ifndef PL_VIEWS_MOUSE_H
#define PL_VIEWS_MOUSE_H

#include "views/panel.h"

enum { PL_WHEEL_LINES = 3 };

/* A press gives the pane under it the focus and is its own, with what follows until the release; a
 * second one there is Enter.  The wheel is for the pane under it. */
void pl_screen_mouse(pl_screen_model *model, pl_mouse mouse, pl_intent *intent);

/* The line of a list under the mouse, whose first one is `first` rows below the rectangle's top;
 * -1 where there is none. */
int pl_mouse_line(pl_mouse mouse, pl_rect rect, int first);

bool pl_rect_holds(pl_rect rect, int y, int x);

/* Scrolls a list by the wheel; false for other reports.  *held: that it stays there until another
 * row than `row` is selected (pl_panel_scroll_held). */
bool pl_mouse_scroll(pl_mouse mouse, size_t row, size_t *top, size_t *held);

#endif
