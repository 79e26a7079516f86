#include "app/workbench/best.h"

#include "app/workbench/knob.h"

#include <math.h>

void pl_screen_note_best(pl_screen *screen, size_t layer, const pl_spec *spec, const char *param)
{
    const pl_method *method = spec->method;
    const size_t telling = pl_method_telling(method);
    if (telling != SIZE_MAX && method->slot == PL_SLOT_PRECONDITION && spec->values[telling] > 0 &&
        (param[0] == '\0' || pl_method_param(method, param) == telling)) {
        pl_knob_note_best(screen, layer, spec->values[telling]);
    }
}

void pl_screen_follow_sweep(pl_screen *screen, const pl_call *call)
{
    const pl_sweep *sweep = &screen->state->sweep;
    const json_t *points = json_object_get(call->result, "points");
    pl_spec spec = *pl_state_spec(screen->state, sweep->layer, sweep->slot);
    const size_t param =
        spec.method != NULL ? pl_method_param(spec.method, sweep->param) : SIZE_MAX;
    double least = INFINITY;
    pl_wants_picture(&screen->wants);
    for (size_t i = 0; param != SIZE_MAX && i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        const json_t *error = json_object_get(point, "rounded_relative_error");
        if (json_is_number(error) && json_number_value(error) < least) {
            least = json_number_value(error);
            spec.values[param] = json_number_value(json_object_get(point, "value"));
        }
    }
    if (isfinite(least) && !sweep->whole) {
        pl_screen_note_best(screen, sweep->layer, &spec, sweep->param);
    }
}
