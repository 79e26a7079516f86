/* app/workbench/lines.h -- typed lines and commands made by keys: begun, applied, ended. */
#ifndef PL_APP_WORKBENCH_LINES_H
#define PL_APP_WORKBENCH_LINES_H

#include "app/command.h"

/* Runs a line of commands as if typed. */
void pl_screen_type_line(pl_screen *screen, const char *text);
/* One command made by a key; live: the selected layer is solved behind it. */
void pl_screen_key_command(pl_screen *screen, const char *text, bool live);
/* Goes on with the typed lines. */
void pl_screen_pump_lines(pl_screen *screen);

/* The apply half and everything that follows from it.  Destroys call.  line: 0 or the typed line
 * it belongs to; began: when it did, 0 for now. */
void pl_screen_end_call(pl_screen *screen, pl_call *call, uint64_t line, double began,
                        pl_status status, const pl_error *err);

#endif
