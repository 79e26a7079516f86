#include "app/workbench/best.h"

#include "app/workbench/knob.h"

#include <math.h>
#include <string.h>

void pl_screen_note_best(pl_screen *screen, size_t layer, double value)
{
    pl_knob_note_best(screen, layer, value);
}

void pl_screen_follow_sweep(pl_screen *screen, const pl_call *call)
{
    const pl_sweep *sweep = &screen->state->sweep;
    const pl_method *method =
        pl_state_spec(screen->state, sweep->layer, PL_SLOT_PRECONDITION)->method;
    const json_t *points = json_object_get(call->result, "points");
    const size_t telling = pl_method_telling(method);
    double least = INFINITY, at = 0;
    pl_wants_picture(&screen->wants);
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        const json_t *error = json_object_get(point, "rounded_relative_error");
        if (json_is_number(error) && json_number_value(error) < least) {
            least = json_number_value(error);
            at = json_number_value(json_object_get(point, "value"));
        }
    }
    if (at > 0 && !sweep->whole && sweep->slot == PL_SLOT_PRECONDITION && telling != SIZE_MAX &&
        strcmp(method->params[telling].name, sweep->param) == 0) {
        pl_screen_note_best(screen, sweep->layer, at);
    }
}
