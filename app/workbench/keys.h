/* app/workbench/keys.h -- what a key does: the prompt, overlays, the focused pane and the table, in
 * this order. */
#ifndef PL_APP_WORKBENCH_KEYS_H
#define PL_APP_WORKBENCH_KEYS_H

#include "app/command.h"
#include "views/panel.h"
#include "views/terminal.h"

void pl_screen_key(pl_screen *screen, pl_press press);

/* Does what a key or the mouse has asked for. */
void pl_screen_follow_intent(pl_screen *screen, const pl_intent *intent);

#endif
