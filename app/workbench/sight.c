#include "app/workbench/sight.h"

#include <stdio.h>

void pl_sight_reset(pl_sight *sight)
{
    pl_picture_destroy(sight->picture);
    sight->picture = NULL;
    sight->error[0] = '\0';
    sight->have_plain = false;
    sight->plain_plan = (pl_id){0};
}

void pl_sight_take(pl_sight *sight, pl_picture *picture, pl_id plan)
{
    pl_picture_destroy(sight->picture);
    sight->picture = picture;
    sight->plan = plan;
    sight->error[0] = '\0';
}

void pl_sight_fail(pl_sight *sight, const char *message)
{
    snprintf(sight->error, sizeof sight->error, "%s", message);
}

bool pl_sight_is_solved(const pl_sight *sight)
{
    return sight->picture != NULL && sight->picture->solved;
}

bool pl_sight_asks_plain(pl_sight *sight, pl_id plan, size_t layer)
{
    if (pl_id_equal(plan, sight->plain_plan) && sight->plain_layer == layer) {
        return false;
    }
    sight->plain_plan = plan;
    sight->plain_layer = layer;
    sight->have_plain = false;
    return true;
}

void pl_sight_take_plain(pl_sight *sight, const pl_solve_report *report, pl_id plan, size_t layer,
                         pl_status status)
{
    sight->plain = *report;
    sight->have_plain =
        status == PL_OK && layer == sight->plain_layer && pl_id_equal(plan, sight->plain_plan);
    if (status == PL_ERR_CANCELLED) {
        sight->plain_plan = (pl_id){0};
    }
}
