/* app/workbench/show.h -- draws a frame: panes and overlays. */
#ifndef PL_APP_WORKBENCH_SHOW_H
#define PL_APP_WORKBENCH_SHOW_H

#include "app/command.h"

PL_NODISCARD pl_status pl_screen_show(pl_screen *screen, pl_error *err);

/* Shows a text over the panes; a failure becomes a message. */
void pl_screen_show_text(pl_screen *screen, const char *title, const char *text);
/* Shows the keys, then the text, over the panes. */
void pl_screen_show_keys(pl_screen *screen, const char *text);
void pl_screen_show_jobs(pl_screen *screen);
void pl_screen_show_log(pl_screen *screen);

#endif
