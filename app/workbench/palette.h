/* app/workbench/palette.h -- what the palette offers. */
#ifndef PL_APP_WORKBENCH_PALETTE_H
#define PL_APP_WORKBENCH_PALETTE_H

#include "app/command.h"

void pl_screen_open_palette(pl_screen *screen);

#endif
