#include "core/lab/export_fold.h"

#include "core/base/checked.h"
#include "core/lab/results.h"
#include "core/lab/weights.h"

#include <stdlib.h>

static const pl_layer *fold_layer(const pl_fold *fold, size_t layer)
{
    return pl_model_layer(fold->cx.state->source->model, layer);
}

/* The layer's transform, as it was solved with; *out NULL where it was without, or is not. */
static pl_status read_solved(const pl_fold *fold, size_t layer, pl_transform **out, pl_error *err)
{
    const pl_state *state = fold->cx.state;
    const pl_id *result = pl_state_result(state, layer);
    const char *name = fold_layer(fold, layer)->name;
    pl_result parts = {0};
    *out = NULL;
    if (result == NULL || pl_state_is_imported(state, layer)) {
        return PL_OK;
    }
    pl_error why = {0};
    pl_status status = pl_result_read(fold->cx.lab, state, layer, *result, &parts, NULL, &why);
    if (status == PL_OK && parts.has_transform) {
        status = pl_transform_read(fold->cx.lab, state, layer, parts.transform, out);
    }
    return status == PL_OK ? PL_OK
                           : pl_result_unreadable(fold->cx.lab, name, "what it was solved with is",
                                                  "solve", status, &why, err);
}

/* --- rotations -------------------------------------------------------------------------------- */

/* The same, which must be. */
static pl_status read_own(const pl_fold *fold, size_t layer, pl_transform **out, pl_error *err)
{
    const char *name = fold_layer(fold, layer)->name;
    *out = NULL;
    if (pl_state_result(fold->cx.state, layer) == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "export fold=yes: %s is not solved, and a model is rotated whole: "
                            "`solve all` first",
                            name);
    }
    pl_status status = read_solved(fold, layer, out, err);
    return status != PL_OK || *out != NULL
               ? status
               : pl_error_set(err, PL_ERR_STATE,
                              "export fold=yes: %s is solved without a rotation, expected `method "
                              "quarot online=no`",
                              name);
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

static pl_status check_folded_site(const pl_fold *fold, size_t site, pl_error *err)
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

static pl_status begin_rotation(pl_fold *fold, pl_error *err)
{
    const pl_context cx = fold->cx;
    pl_model *model = cx.state->source->model;
    pl_status status = check_plan(cx.state, err);
    for (size_t i = 0; status == PL_OK && i < pl_model_site_count(model); i++) {
        status = check_folded_site(fold, i, err);
    }
    if (status == PL_OK) {
        fold->gain = pl_alloc(pl_model_config(model)->hidden_size, sizeof *fold->gain);
        status = fold->gain != NULL ? PL_OK : pl_error_memory(err, "an export");
    }
    PL_THEN(read_own(fold, PL_ROLE_O, &fold->first, err)); /* block 0's layers are the first */
    return status;
}

/* --- diagonals -------------------------------------------------------------------------------- */

/* One transform of all layers of a site, the caller's; NULL: none. */
static pl_status read_site(const pl_fold *fold, const pl_site *site, pl_transform **out,
                           pl_error *err)
{
    pl_status status = PL_OK;
    *out = NULL;
    for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
        pl_transform *t = NULL;
        status = read_solved(fold, site->layers[i], &t, err);
        if (status == PL_OK && i > 0 && !pl_transform_equal(t, *out)) {
            status = pl_error_set(err, PL_ERR_STATE,
                                  "export fold=yes: %s and %s share one input, and are not solved "
                                  "behind one transform of it: solve both",
                                  fold_layer(fold, site->layers[0])->name,
                                  fold_layer(fold, site->layers[i])->name);
        }
        if (i == 0) {
            *out = t;
        } else {
            pl_transform_destroy(t);
        }
    }
    return status;
}

/* A diagonal and nothing else, which folds into what makes the site's input. */
static pl_status check_diagonal(const pl_fold *fold, const pl_site *site, const pl_transform *t,
                                pl_error *err)
{
    const char *name = fold_layer(fold, site->layers[0])->name;
    bool alone = pl_transform_keeps_channels(t) && pl_transform_keys(t) == NULL;
    for (size_t i = 0; i < site->n_layers; i++) {
        alone = alone && pl_transform_outputs(t, i) == NULL;
    }
    if (!alone) {
        return pl_error_set(
            err, PL_ERR_STATE,
            "export fold=yes: the inputs of %s are turned while the model runs, "
            "which its files cannot say: expected diagonals (`method smoothquant`, "
            "`method awq`) or one rotation of the whole model (`method quarot online=no`)",
            name);
    }
    return pl_model_input_fold(fold->cx.state->source->model, site) != NULL
               ? PL_OK
               : pl_error_set(
                     err, PL_ERR_STATE,
                     "export fold=yes: nothing before %s can hold the scales of its inputs "
                     "(`cost` says where they go): solve it without, by `method none "
                     "slot=transform on=...`",
                     name);
}

/* The scales of a site's inputs to the rows that make them; the layer's others are left. */
static pl_status spread_over_rows(pl_fold *fold, size_t site, pl_error *err)
{
    const pl_model *model = fold->cx.state->source->model;
    const pl_site *at = pl_model_site(model, site);
    const size_t layer = pl_model_input_layer(model, at);
    if (layer == SIZE_MAX) {
        return PL_OK;
    }
    const size_t rows = pl_model_layer(model, layer)->rows;
    float *factors = fold->factors[layer] = pl_alloc(rows, sizeof *factors);
    if (factors == NULL) {
        return pl_error_memory(err, "an export");
    }
    for (size_t r = 0; r < rows; r++) {
        factors[r] = 1.0f;
    }
    for (size_t c = 0; c < at->cols; c++) {
        factors[pl_model_input_row(model, layer, c)] = fold->scales[site][c];
    }
    return PL_OK;
}

static pl_status begin_diagonals(pl_fold *fold, pl_error *err)
{
    pl_model *model = fold->cx.state->source->model;
    const size_t sites = pl_model_site_count(model);
    bool any = false;
    fold->scales = calloc(sites + 1, sizeof *fold->scales);
    fold->factors = calloc(pl_model_layer_count(model) + 1, sizeof *fold->factors);
    pl_status status =
        fold->scales == NULL || fold->factors == NULL ? pl_error_memory(err, "an export") : PL_OK;
    for (size_t i = 0; status == PL_OK && i < sites; i++) {
        const pl_site *site = pl_model_site(model, i);
        pl_transform *t = NULL;
        status = read_site(fold, site, &t, err);
        if (status == PL_OK && t != NULL) {
            any = true;
            status = check_diagonal(fold, site, t, err);
            float *scale = fold->scales[i] = pl_alloc(site->cols, sizeof *scale);
            if (status == PL_OK && scale == NULL) {
                status = pl_error_memory(err, "an export");
            }
            for (size_t c = 0; scale != NULL && c < site->cols; c++) {
                scale[c] = 1.0f;
            }
            PL_THEN(pl_transform_inputs(t, scale, 1, fold->cx.task, err));
            PL_THEN(spread_over_rows(fold, i, err));
        }
        pl_transform_destroy(t);
    }
    return status != PL_OK || any
               ? status
               : pl_error_set(err, PL_ERR_STATE,
                              "export fold=yes: no layer is solved behind a transform (`method "
                              "smoothquant`, `method awq`, `method quarot online=no`)");
}

const float *pl_fold_row_factors(const pl_fold *fold, size_t layer)
{
    return fold->factors != NULL ? fold->factors[layer] : NULL;
}

/* --- either ----------------------------------------------------------------------------------- */

bool pl_fold_turns_stream(const pl_fold *fold)
{
    return fold->first != NULL;
}

bool pl_fold_changes(const pl_fold *fold, pl_stream_part part)
{
    const bool scaled = part == PL_PART_GAIN || part == PL_PART_SHIFT || part == PL_PART_BIAS;
    return pl_fold_turns_stream(fold) ? part != PL_PART_NONE : scaled;
}

pl_status pl_fold_begin(pl_fold *fold, pl_context cx, pl_error *err)
{
    bool turns = false;
    *fold = (pl_fold){.cx = cx};
    for (size_t i = 0; i < pl_model_layer_count(cx.state->source->model); i++) {
        const pl_spec *spec = pl_state_spec(cx.state, i, PL_SLOT_TRANSFORM);
        turns = turns || (spec->method != NULL && spec->method->turns_stream);
    }
    return turns ? begin_rotation(fold, err) : begin_diagonals(fold, err);
}

/* rows: NULL, or so many, each the fold's or NULL. */
static void free_rows(float **rows, size_t count)
{
    for (size_t i = 0; rows != NULL && i < count; i++) {
        free(rows[i]);
    }
    free(rows);
}

void pl_fold_end(pl_fold *fold)
{
    if (fold->cx.state == NULL) {
        return; /* not begun */
    }
    const pl_model *model = fold->cx.state->source->model;
    free_rows(fold->scales, pl_model_site_count(model));
    free_rows(fold->factors, pl_model_layer_count(model));
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

/* A bias is added to outputs, and turned as they are; count: of all experts', which are turned
 * alike. */
static pl_status turn_bias(pl_fold *fold, size_t layer, float *bias, size_t count, pl_error *err)
{
    pl_transform *t = NULL;
    pl_status status = read_own(fold, layer, &t, err);
    const pl_transform *outputs = pl_layer_outputs(fold->cx.state, layer, t);
    if (status == PL_OK && outputs != NULL) {
        status = pl_transform_inputs(outputs, bias, count, fold->cx.task, err);
    }
    pl_transform_destroy(t);
    return status;
}

/* Of a norm in a block, [cols]. */
static void scale_norm(const pl_fold *fold, pl_stream_part part, size_t site, float *values,
                       size_t cols)
{
    const float *scale = site != PL_FINAL_NORM ? fold->scales[site] : NULL;
    const float offset =
        part == PL_PART_GAIN ? pl_model_gain_offset(fold->cx.state->source->model) : 0.0f;
    for (size_t c = 0; scale != NULL && c < cols; c++) {
        values[c] = (values[c] + offset) * scale[c] - offset;
    }
}

/* A bias of one layer, or of all that are fused with `first`. */
static void scale_bias(const pl_fold *fold, size_t first, float *bias, size_t cols)
{
    const pl_layer *base = fold_layer(fold, first);
    const size_t count = pl_model_layer_count(fold->cx.state->source->model);
    for (size_t i = first; i < count && fold_layer(fold, i)->bias == base->bias; i++) {
        const pl_layer *info = fold_layer(fold, i);
        const size_t at = info->first_row - base->first_row;
        const float *factors = pl_fold_row_factors(fold, i);
        for (size_t r = 0; factors != NULL && r < info->rows && at + r < cols; r++) {
            bias[at + r] *= factors[r];
        }
    }
}

pl_status pl_fold_rows(pl_fold *fold, pl_stream_part part, size_t of, float *rows, size_t count,
                       size_t cols, pl_error *err)
{
    const bool turns = pl_fold_turns_stream(fold);
    switch (part) {
    case PL_PART_EMBEDDING:
        return turns ? pl_transform_inputs(pl_transform_outputs(fold->first, 0), rows, count,
                                           fold->cx.task, err)
                     : PL_OK;
    case PL_PART_HEAD:
        return turns ? turn_readers(fold, PL_FINAL_NORM, rows, count, cols, err) : PL_OK;
    case PL_PART_ROUTER: /* where there is one, no diagonal folds into the norm before it */
        return turns ? turn_readers(fold, of, rows, count, cols, err) : PL_OK;
    case PL_PART_GAIN:
    case PL_PART_SHIFT:
        if (!turns) {
            scale_norm(fold, part, of, rows, count * cols);
            break;
        }
        for (size_t i = 0; i < count * cols; i++) {
            rows[i] = 1.0f;
        }
        break;
    case PL_PART_BIAS:
        if (turns) {
            return turn_bias(fold, of, rows, count, err);
        }
        scale_bias(fold, of, rows, count * cols);
        break;
    case PL_PART_NONE:
        break;
    }
    return PL_OK;
}

pl_status pl_fold_weights(pl_fold *fold, size_t layer, pl_which which, pl_mat *out, pl_error *err)
{
    pl_transform *t = NULL;
    *out = (pl_mat){0};
    pl_status status =
        fold->scales == NULL ? read_own(fold, layer, &t, err) : read_solved(fold, layer, &t, err);
    const pl_weights_of of = {.which = which, .transform = t, .as_solved = t != NULL};
    PL_THEN(pl_weights_make(fold->cx, layer, of, out, err));
    pl_transform_destroy(t);
    const float *factors = pl_fold_row_factors(fold, layer);
    for (size_t r = 0; status == PL_OK && factors != NULL && r < out->rows; r++) {
        for (size_t c = 0; c < out->cols; c++) {
            out->data[r * out->cols + c] *= factors[r];
        }
    }
    return status;
}
