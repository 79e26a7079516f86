/* app/workbench/mouse.h -- who handles the mouse: overlays, then the panes (views/mouse.h). */
#ifndef PL_APP_WORKBENCH_MOUSE_H
#define PL_APP_WORKBENCH_MOUSE_H

#include "app/command.h"
#include "views/keys.h"

void pl_screen_take_mouse(pl_screen *screen, pl_mouse mouse);

/* After a frame: repeats reports that came before what they point at was drawn.  A key drops them.
 * True if a pane took one, so that a new frame is needed. */
bool pl_screen_take_early_mouse(pl_screen *screen);

#endif
