/* app/workbench/sight.h -- the picture of the selected layer, and the rounder alone on it for
 * comparison. */
#ifndef PL_APP_WORKBENCH_SIGHT_H
#define PL_APP_WORKBENCH_SIGHT_H

#include "core/lab/pipeline.h"
#include "core/live/picture.h"

typedef struct pl_sight {
    pl_picture *picture; /* NULL until the first has come */
    pl_id plan;          /* the plan that it shows */
    char error[PL_ERROR_TEXT];
    pl_solve_report plain;
    pl_id plain_plan; /* of `plain`, made or asked for: the state without preconditioner */
    size_t plain_layer;
    bool have_plain;
} pl_sight;

/* Another model is open, or the screen is left. */
void pl_sight_reset(pl_sight *sight);

/* Takes the picture over. */
void pl_sight_take(pl_sight *sight, pl_picture *picture, pl_id plan);
void pl_sight_fail(pl_sight *sight, const char *message);
/* Whether the picture is of a solved layer. */
bool pl_sight_is_solved(const pl_sight *sight);

/* Whether the rounder alone must be solved for this plan: false if it was asked for before; else
 * notes it. */
bool pl_sight_asks_plain(pl_sight *sight, pl_id plan, size_t layer);
/* Takes its result; a cancelled one may be asked for again. */
void pl_sight_take_plain(pl_sight *sight, const pl_solve_report *report, pl_id plan, size_t layer,
                         pl_status status);

#endif
