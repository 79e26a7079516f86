/* app/workbench/services.h -- what commands ask of the screen, which they do not look into. */
#ifndef PL_APP_WORKBENCH_SERVICES_H
#define PL_APP_WORKBENCH_SERVICES_H

#include "app/command.h"
#include "views/screen_model.h"
#include "views/theme.h"

/* A message in the footer; the text is copied. */
void pl_screen_say(pl_screen *screen, pl_message_kind kind, const char *text);

/* One step of undo, or of redo. */
void pl_screen_step_history(pl_screen *screen, bool back);
/* The last session's state, as a step that undo takes back. */
void pl_screen_restore(pl_screen *screen);
/* PL_ERR_STATE where there is no session. */
PL_NODISCARD pl_status pl_screen_save(pl_screen *screen, pl_error *err);

/* Cancels the newest thing the user started; false if nothing runs. */
bool pl_screen_cancel(pl_screen *screen);
/* Pauses what is being learned; false if nothing is. */
bool pl_screen_pause(pl_screen *screen);

/* "" lists all layers.  PL_ERR_USAGE where the expression cannot be understood. */
PL_NODISCARD pl_status pl_screen_filter(pl_screen *screen, const char *expression, pl_error *err);

/* The columns that the layer list shows behind the sorted one; none: what there is room for. */
void pl_screen_choose_columns(pl_screen *screen, const pl_column *columns, size_t count);

/* Shows a theme, says which and remembers it; PL_THEME_COUNT: the terminal's usual one. */
void pl_screen_choose_theme(pl_screen *screen, pl_theme theme);
void pl_screen_next_theme(pl_screen *screen);
/* "braille", "blocks" or "ascii"; NULL: what the locale and the terminal can show. */
void pl_screen_choose_marks(pl_screen *screen, const char *marks);

void pl_screen_show_jobs(pl_screen *screen);
void pl_screen_show_log(pl_screen *screen);
/* The session's commands as a script. */
PL_NODISCARD pl_status pl_screen_write_log(pl_screen *screen, const char *file, pl_error *err);
/* keys: with the keys before it, as `?` shows it. */
PL_NODISCARD pl_status pl_screen_show_help(pl_screen *screen, const char *text, bool keys,
                                           pl_error *err);
/* Starts at that step, or ends it (PL_TOUR_OFF); what is done is remembered. */
void pl_screen_set_tour(pl_screen *screen, pl_tour_step step);

/* The calibration is another one: scores of inputs, pictures and wanted solves are made anew. */
void pl_screen_follow_inputs(pl_screen *screen);
/* The methods are others: where a solved layer is looked at, it is solved anew. */
void pl_screen_follow_methods(pl_screen *screen);
/* Learning has ended, `how`: what waits for it goes on. */
void pl_screen_follow_learning(pl_screen *screen, pl_status how);

#endif
