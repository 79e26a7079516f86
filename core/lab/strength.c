#include "core/lab/strength.h"

#include "core/lab/place.h"

#include <math.h>

pl_status pl_layer_strength(pl_context cx, size_t layer, pl_strength *out, pl_error *err)
{
    const pl_spec *spec = pl_state_spec(cx.state, layer, PL_SLOT_PRECONDITION);
    pl_place place = {0};
    pl_layer_input in;
    pl_mat w0 = {0};
    *out = (pl_strength){(double)NAN, (double)NAN, (double)NAN};
    if (spec->method == NULL || spec->method->strength == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "%s: no preconditioner with a strength is set",
                            pl_model_layer(cx.state->source->model, layer)->name);
    }
    pl_status status = pl_place_hold(cx, layer, &place, err);
    PL_THEN(pl_place_read(&place, cx.state, layer, &w0, &in, cx.task, err));
    PL_THEN(spec->method->strength(spec, &in, out, cx.task, err));
    pl_mat_deinit(&w0);
    pl_place_leave(cx.lab, &place);
    return status;
}
