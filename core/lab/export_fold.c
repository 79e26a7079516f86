#include "core/lab/export_fold.h"

#include "core/base/checked.h"
#include "core/lab/results.h"
#include "core/lab/weights.h"

#include <stdlib.h>

/* The layer's transform, as it was solved with. */
static pl_status read_own(const pl_fold *fold, size_t layer, pl_transform **out, pl_error *err)
{
    const pl_state *state = fold->cx.state;
    const pl_id *result = pl_state_result(state, layer);
    const char *name = pl_model_layer(state->source->model, layer)->name;
    pl_result parts = {0};
    *out = NULL;
    if (result == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "export fold=yes: %s is not solved, and a model is rotated whole: "
                            "`solve all` first",
                            name);
    }
    pl_status status = pl_result_read(fold->cx.lab, state, layer, *result, &parts, NULL, err);
    if (status == PL_OK && parts.has_transform) {
        status = pl_transform_read(fold->cx.lab, state, layer, parts.transform, out);
    }
    if (status == PL_OK && *out == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "export fold=yes: %s is solved without a rotation, expected `method "
                            "quarot online=no`",
                            name);
    }
    return status == PL_OK || status == PL_ERR_CHANGED
               ? status
               : pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s: what it was solved with is no longer whole in the store %s: "
                              "solve again",
                              name, pl_store_folder(pl_lab_store(fold->cx.lab)));
}

/* All layers have the rotation of layer 0. */
static pl_status check_plan(const pl_state *state, pl_error *err)
{
    pl_model *model = state->source->model;
    const pl_spec *first = pl_state_spec(state, 0, PL_SLOT_TRANSFORM);
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_spec *spec = pl_state_spec(state, i, PL_SLOT_TRANSFORM);
        if (spec->method == NULL || !spec->method->turns_stream || !pl_spec_equal(spec, first)) {
            return pl_error_set(err, PL_ERR_STATE,
                                "export fold=yes: the transform of %s is %s, expected one rotation "
                                "of the whole model, such as `method quarot online=no`",
                                pl_model_layer(model, i)->name,
                                spec->method != NULL ? spec->method->name : "none");
        }
    }
    return pl_model_need_stream(model, "export fold=yes", err);
}

static pl_status check_site(const pl_fold *fold, size_t site, pl_error *err)
{
    const pl_site *at = pl_model_site(fold->cx.state->source->model, site);
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < at->n_layers; i++) {
        pl_transform *t = NULL;
        status = read_own(fold, at->layers[i], &t, err);
        if (status == PL_OK && !pl_transform_is_merged(t) &&
            (!pl_transform_keeps_channels(t) || pl_transform_get_cost(t).folds_diagonal)) {
            const pl_spec *spec = pl_state_spec(fold->cx.state, at->layers[i], PL_SLOT_TRANSFORM);
            status =
                pl_error_set(err, PL_ERR_STATE,
                             "export fold=yes: the inputs of %s are turned while the model "
                             "runs, which its files cannot say: `method %s online=no` turns "
                             "only what they can",
                             pl_model_layer(fold->cx.state->source->model, at->layers[i])->name,
                             spec->method->name);
        }
        pl_transform_destroy(t);
    }
    return status;
}

pl_status pl_fold_begin(pl_fold *fold, pl_context cx, pl_error *err)
{
    pl_model *model = cx.state->source->model;
    *fold = (pl_fold){.cx = cx};
    pl_status status = check_plan(cx.state, err);
    for (size_t i = 0; status == PL_OK && i < pl_model_site_count(model); i++) {
        status = check_site(fold, i, err);
    }
    if (status == PL_OK) {
        fold->gain = pl_alloc(pl_model_config(model)->hidden_size, sizeof *fold->gain);
        status = fold->gain != NULL ? PL_OK : pl_error_memory(err, "an export");
    }
    PL_THEN(read_own(fold, PL_ROLE_O, &fold->first, err)); /* block 0's layers are the first */
    return status;
}

void pl_fold_end(pl_fold *fold)
{
    pl_transform_destroy(fold->first);
    free(fold->gain);
    *fold = (pl_fold){0};
}

/* rows <- rows diag(gain) R1. */
static pl_status turn_readers(pl_fold *fold, size_t site, float *rows, size_t count, size_t cols,
                              pl_error *err)
{
    pl_status status = pl_model_stream_gain(fold->cx.state->source->model, site, fold->gain, err);
    for (size_t r = 0; status == PL_OK && r < count; r++) {
        for (size_t c = 0; c < cols; c++) {
            rows[r * cols + c] *= fold->gain[c];
        }
    }
    return status == PL_OK ? pl_transform_inputs(pl_transform_outputs(fold->first, 0), rows, count,
                                                 fold->cx.task, err)
                           : status;
}

/* A bias is added to outputs, and turned as they are. */
static pl_status turn_bias(pl_fold *fold, size_t layer, float *bias, pl_error *err)
{
    pl_transform *t = NULL;
    pl_status status = read_own(fold, layer, &t, err);
    const pl_transform *outputs = pl_layer_outputs(fold->cx.state, layer, t);
    if (status == PL_OK && outputs != NULL) {
        status = pl_transform_inputs(outputs, bias, 1, fold->cx.task, err);
    }
    pl_transform_destroy(t);
    return status;
}

pl_status pl_fold_rows(pl_fold *fold, pl_stream_part part, size_t of, float *rows, size_t count,
                       size_t cols, pl_error *err)
{
    switch (part) {
    case PL_PART_EMBEDDING:
        return pl_transform_inputs(pl_transform_outputs(fold->first, 0), rows, count, fold->cx.task,
                                   err);
    case PL_PART_HEAD:
        return turn_readers(fold, PL_FINAL_NORM, rows, count, cols, err);
    case PL_PART_ROUTER:
        return turn_readers(fold, of, rows, count, cols, err);
    case PL_PART_GAIN:
        for (size_t i = 0; i < count * cols; i++) {
            rows[i] = 1.0f;
        }
        break;
    case PL_PART_BIAS:
        return turn_bias(fold, of, rows, err);
    case PL_PART_NONE:
        break;
    }
    return PL_OK;
}

pl_status pl_fold_weights(pl_fold *fold, size_t layer, pl_which which, pl_mat *out, pl_error *err)
{
    pl_transform *t = NULL;
    *out = (pl_mat){0};
    pl_status status = read_own(fold, layer, &t, err);
    PL_THEN(pl_weights_make(fold->cx, layer,
                            (pl_weights_of){.which = which, .transform = t, .as_solved = true}, out,
                            err));
    pl_transform_destroy(t);
    return status;
}
