/* app/workbench/mouse.h -- what the mouse does: overlays, then the panes (views/mouse.h). */
#ifndef PL_APP_WORKBENCH_MOUSE_H
#define PL_APP_WORKBENCH_MOUSE_H

#include "app/command.h"
#include "views/keys.h"

void pl_screen_take_mouse(pl_screen *screen, pl_mouse mouse);

/* After a frame: gives the panes what came before the numbers it points at.  A key drops it.  True
 * where some of it was taken, and a new frame shows that. */
bool pl_screen_take_early_mouse(pl_screen *screen);

#endif
