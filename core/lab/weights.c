#include "core/lab/weights.h"

#include "core/lab/results.h"
#include "core/lab/transformed.h"

/* A failure to read a pinned result, told as the pin's. */
static pl_status pin_failed(pl_lab *lab, const pl_state *state, const pl_pin *pin,
                            const pl_error *why, pl_error *err)
{
    if (why->code == PL_ERR_NOT_FOUND) {
        return pl_error_set(err, why->code,
                            "%s: the weights pinned as \"%s\" are no longer whole in the store "
                            "%s: solve and pin again",
                            pl_model_layer(state->source->model, pin->layer)->name, pin->label,
                            pl_store_folder(pl_lab_store(lab)));
    }
    return pl_error_set(err, why->code, "pinned as \"%s\": %s", pin->label, why->message);
}

pl_status pl_weights_read(pl_context cx, size_t layer, pl_weights_of of, float *out, pl_error *err)
{
    pl_model *model = cx.state->source->model;
    const pl_layer *info = pl_model_layer(model, layer);
    const pl_id *result = of.pin != NULL ? &of.pin->result : of.result;
    pl_error why = {0};
    pl_status status = PL_OK;
    int provided = 0;
    if (of.which != PL_WHICH_BEFORE && result == NULL) {
        if (pl_state_is_foreign(cx.state, layer)) {
            return pl_error_set(err, PL_ERR_CHANGED,
                                "%s: its result is of another model: %s has changed since; solve "
                                "the layer again",
                                info->name, pl_model_name(model));
        }
        result = pl_state_result(cx.state, layer);
    }
    if (of.which != PL_WHICH_BEFORE && result != NULL) {
        status = pl_result_weights(cx.lab, cx.state, layer, *result, of.which, of.as_solved, out,
                                   &provided, of.pin != NULL ? &why : err);
    }
    if (status != PL_OK) {
        return of.pin != NULL ? pin_failed(cx.lab, cx.state, of.pin, &why, err) : status;
    }
    if (!provided) {
        status = pl_model_read_weight(model, layer, out, err);
    }
    const bool turned = provided && of.as_solved;
    return status == PL_OK && of.transform != NULL && !turned
               ? pl_layer_turn(cx.state, layer, of.transform, out, cx.task, err)
               : status;
}

pl_status pl_weights_make(pl_context cx, size_t layer, pl_weights_of of, pl_mat *out, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    pl_status status = pl_mat_init(out, info->rows, info->cols, err);
    if (status == PL_OK) {
        status = pl_weights_read(cx, layer, of, out->data, err);
        if (status != PL_OK) {
            pl_mat_deinit(out);
        }
    }
    return status;
}

static pl_status state_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    const pl_weights_ctx *from = ctx;
    *provided = 0;
    if (from->which == PL_WHICH_BEFORE || (pl_state_result(from->cx.state, layer) == NULL &&
                                           !pl_state_is_foreign(from->cx.state, layer))) {
        return PL_OK;
    }
    *provided = 1;
    return pl_weights_read(from->cx, layer, (pl_weights_of){.which = from->which}, out, err);
}

pl_hooks pl_weights_hooks(pl_weights_ctx *ctx, pl_context cx, pl_which which)
{
    *ctx = (pl_weights_ctx){.cx = {cx.lab, cx.state, NULL}, .which = which};
    return (pl_hooks){.ctx = ctx, .weight = state_weight};
}
