/* app/workbench/mouse.h -- what the mouse does: overlays, then the panes (views/mouse.h). */
#ifndef PL_APP_WORKBENCH_MOUSE_H
#define PL_APP_WORKBENCH_MOUSE_H

#include "app/command.h"
#include "views/keys.h"

void pl_screen_take_mouse(pl_screen *screen, pl_mouse mouse);

#endif
