/* app/workbench/services.h -- what commands may ask of the screen, without knowing its inside. */
#ifndef PL_APP_WORKBENCH_SERVICES_H
#define PL_APP_WORKBENCH_SERVICES_H

#include "app/workbench/best.h"
#include "app/workbench/ask.h"
#include "app/workbench/learning.h"
#include "app/workbench/looks.h"
#include "app/workbench/resume.h"
#include "app/workbench/say.h"
#include "app/workbench/show.h"
#include "app/workbench/steps.h"
#include "app/workbench/tour.h"
#include "app/workbench/work.h"

/* PL_ERR_STATE where there is no session. */
PL_NODISCARD pl_status pl_screen_save(pl_screen *screen, pl_error *err);
/* Writes the session's commands as a script. */
PL_NODISCARD pl_status pl_screen_write_log(pl_screen *screen, const char *file, pl_error *err);

/* Filters the layer list; "" lists all layers.  PL_ERR_USAGE where the expression is wrong. */
PL_NODISCARD pl_status pl_screen_filter(pl_screen *screen, const char *expression, pl_error *err);

/* The columns that the layer list shows behind the sorted one; count 0: as many as fit. */
void pl_screen_choose_columns(pl_screen *screen, const pl_column *columns, size_t count);

/* The calibration has changed: scores of inputs, pictures and wanted solves are made again. */
void pl_screen_follow_inputs(pl_screen *screen);
/* More numbers of the layers are known: reads the list's scores, and makes figures of
 * costs again. */
void pl_screen_follow_scores(pl_screen *screen);
/* Another layer is selected, or others are compared with it. */
void pl_screen_follow_layer(pl_screen *screen);
/* The methods have changed: if the picture is of a solved layer, that is solved again. */
void pl_screen_follow_methods(pl_screen *screen);
/* Queues a line of commands as if typed, for jobs that show something while they run. */
void pl_screen_add_line(pl_screen *screen, const char *line);

#endif
