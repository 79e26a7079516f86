/* app/workbench/keys.h -- who handles a key: the prompt, overlays, the focused pane, then the
 * table. */
#ifndef PL_APP_WORKBENCH_KEYS_H
#define PL_APP_WORKBENCH_KEYS_H

#include "app/command.h"
#include "views/panel.h"
#include "views/terminal.h"

void pl_screen_key(pl_screen *screen, pl_press press);

/* Carries out what a key or the mouse asks for. */
void pl_screen_follow_intent(pl_screen *screen, const pl_intent *intent);

#endif
