/* app/workbench/keys.h -- what a key does: the prompt, overlays, the focused pane and the table, in
 * this order. */
#ifndef PL_APP_WORKBENCH_KEYS_H
#define PL_APP_WORKBENCH_KEYS_H

#include "app/command.h"
#include "views/terminal.h"

void pl_screen_key(pl_screen *screen, pl_press press);

#endif
