/* app/workbench/lines.h -- runs typed lines and commands made by keys. */
#ifndef PL_APP_WORKBENCH_LINES_H
#define PL_APP_WORKBENCH_LINES_H

#include "app/command.h"

/* Runs a line of commands as if typed. */
void pl_screen_type_line(pl_screen *screen, const char *text);
/* One command made by a key; live: then solves the selected layer. */
void pl_screen_key_command(pl_screen *screen, const char *text, bool live);
/* Starts the next commands of typed lines. */
void pl_screen_pump_lines(pl_screen *screen);

/* Runs the apply half, and all that follows from it.  Destroys call.  line: its typed line, or 0;
 * began: when it began, 0: now. */
void pl_screen_end_call(pl_screen *screen, pl_call *call, uint64_t line, double began,
                        pl_status status, const pl_error *err);

#endif
