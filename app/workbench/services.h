/* app/workbench/services.h -- what commands ask of the screen, which they do not look into. */
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
/* The session's commands as a script. */
PL_NODISCARD pl_status pl_screen_write_log(pl_screen *screen, const char *file, pl_error *err);

/* "" lists all layers.  PL_ERR_USAGE where the expression cannot be understood. */
PL_NODISCARD pl_status pl_screen_filter(pl_screen *screen, const char *expression, pl_error *err);

/* The columns that the layer list shows behind the sorted one; none: what there is room for. */
void pl_screen_choose_columns(pl_screen *screen, const pl_column *columns, size_t count);

/* The calibration is another one: scores of inputs, pictures and wanted solves are made anew. */
void pl_screen_follow_inputs(pl_screen *screen);
/* More is known of the layers: the list's scores are read anew, figures of costs made anew. */
void pl_screen_follow_scores(pl_screen *screen);
/* Another layer, or others beside it, are looked at. */
void pl_screen_follow_layer(pl_screen *screen);
/* The methods are others: where a solved layer is looked at, it is solved anew. */
void pl_screen_follow_methods(pl_screen *screen);
/* A line of commands as if typed, behind those that are there: what a job shows while it runs. */
void pl_screen_add_line(pl_screen *screen, const char *line);

#endif
