#include "core/lab/import.h"

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/text.h"
#include "core/lab/pipeline_parts.h"
#include "core/lab/results.h"
#include "core/lab/weights.h"
#include "core/metrics/outliers.h"
#include "core/metrics/recon.h"
#include "core/model/bare.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a layer's rows are by Hugging Face's names: in one tensor, maybe with other layers'. */
typedef struct place {
    const char *name; /* owned by the model or in names */
    size_t rows;      /* of the whole tensor */
    pl_taken at;      /* which of its rows are the layer's */
    bool transposed;  /* its rows are the tensor's columns */
} place;

struct pl_import {
    const pl_state *state;
    char *path;
    pl_model *model;           /* of a GGUF, whose names need its architecture; else NULL */
    pl_checkpoint *checkpoint; /* the model's, or its own */
    pl_id id;
    place *places; /* [layers of the state's model], without a model */
    char (*names)[sizeof((pl_named_tensor *)0)->name];
};

void pl_import_close(pl_import *import)
{
    if (import != NULL) {
        if (import->model == NULL) {
            pl_checkpoint_close(import->checkpoint);
        }
        pl_model_close(import->model);
        free(import->path);
        free(import->places);
        free(import->names);
        free(import);
    }
}

pl_id pl_import_id(const pl_import *import)
{
    return import->id;
}

/* --- which tensor ----------------------------------------------------------------------------- */

static pl_status find_places(pl_import *import, pl_error *err)
{
    const pl_model *model = import->state->source->model;
    const size_t n = pl_model_layer_count(model);
    import->places = calloc(n, sizeof *import->places);
    import->names = calloc(n, sizeof *import->names);
    if (import->places == NULL || import->names == NULL) {
        return pl_error_memory(err, "an import");
    }
    pl_named_tensor named;
    for (size_t i = 0; pl_model_named_tensor(model, i, &named); i++) {
        if (named.layer == SIZE_MAX || named.tensor == NULL) {
            continue;
        }
        memcpy(import->names[named.layer], named.name, sizeof named.name);
        size_t first = 0;
        for (size_t at = 0; at < named.layers; at++) {
            const size_t k = pl_model_stacked(named.layer, named.together, at);
            if (k >= n) {
                break;
            }
            const pl_layer *info = pl_model_layer(model, k);
            import->places[k] =
                (place){import->names[named.layer],
                        (size_t)named.dims[named.n_dims - (named.transposed ? 1 : 2)],
                        {info->slab, first, 1, info->rows},
                        named.transposed};
            if (named.together > 0) { /* experts of one tensor */
                const size_t part = at % named.together;
                import->places[k].at =
                    (pl_taken){at / named.together, part * (named.step > 1 ? 1 : info->rows),
                               named.step, info->rows};
            }
            first += info->rows;
        }
    }
    for (size_t i = 0; i < n && pl_model_is_bare(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        import->places[i] =
            (place){layer->tensor->name, layer->rows, {0, 0, 1, layer->rows}, false};
    }
    return PL_OK;
}

/* The tensor of a layer, NULL where the checkpoint lacks it: of that name, of that name without
 * ".weight", or the only one of a .npy for the only layer. */
static const pl_tensor *find_tensor(const pl_import *import, size_t layer)
{
    const place *at = &import->places[layer];
    const pl_tensor *tensor = pl_model_tensor_by_name(import->checkpoint, at->name);
    if (tensor == NULL && pl_text_ends(at->name, ".weight")) {
        char *stem = strndup(at->name, strlen(at->name) - strlen(".weight"));
        if (stem == NULL) {
            pl_memory_failed(); /* a layer that was not looked for is not missing */
        }
        tensor = stem != NULL ? pl_model_tensor_by_name(import->checkpoint, stem) : NULL;
        free(stem);
    }
    if (tensor == NULL && pl_checkpoint_container(import->checkpoint) == PL_NPY &&
        pl_model_layer_count(import->state->source->model) == 1) {
        tensor = pl_checkpoint_tensor(import->checkpoint, 0);
    }
    return tensor;
}

static pl_status wrong_shape(const pl_import *import, const char *name, size_t rows, size_t cols,
                             size_t wanted_rows, size_t wanted_cols, pl_error *err)
{
    return pl_error_set(
        err, PL_ERR_FORMAT, "%s: %s has the shape [%zu, %zu] there, [%zu, %zu] in %s", import->path,
        name, rows, cols, wanted_rows, wanted_cols, pl_model_name(import->state->source->model));
}

/* The layer's weights to w.  *found: false where the checkpoint has none. */
static pl_status read_layer(const pl_import *import, size_t layer, float *w, bool *found,
                            pl_error *err)
{
    const pl_layer *info = pl_model_layer(import->state->source->model, layer);
    *found = false;
    if (import->model != NULL) {
        size_t index = 0;
        if (pl_model_find_layer(import->model, info->name, &index, NULL) != PL_OK) {
            return PL_OK;
        }
        const pl_layer *other = pl_model_layer(import->model, index);
        if (other->rows != info->rows || other->cols != info->cols) {
            return wrong_shape(import, info->name, other->rows, other->cols, info->rows, info->cols,
                               err);
        }
        *found = true;
        return pl_model_read_weight(import->model, index, w, err);
    }
    const place *at = &import->places[layer];
    const pl_tensor *tensor = at->name != NULL ? find_tensor(import, layer) : NULL;
    if (tensor == NULL) {
        return PL_OK;
    }
    const size_t rows = at->transposed ? info->cols : at->rows;
    const size_t cols = at->transposed ? at->rows : info->cols;
    const size_t n = tensor->n_dims; /* 3: of all experts */
    if (n < 2 || n > 3 || tensor->dims[n - 2] != rows || tensor->dims[n - 1] != cols ||
        (n == 3 && tensor->dims[0] <= at->at.slab) || (n == 2 && at->at.slab > 0)) {
        return wrong_shape(import, info->name, pl_tensor_rows(tensor), pl_tensor_cols(tensor), rows,
                           cols, err);
    }
    *found = true;
    if (at->transposed) {
        return pl_model_read_columns(import->checkpoint, tensor, at->at, w, err);
    }
    return pl_checkpoint_read(import->checkpoint, tensor, at->at.first, info->rows, w, err);
}

pl_status pl_import_open(const pl_state *state, const char *path, pl_import **out, pl_task *task,
                         pl_error *err)
{
    *out = NULL;
    pl_import *import = calloc(1, sizeof *import);
    if (import == NULL || (import->path = strdup(path)) == NULL) {
        free(import);
        return pl_error_memory(err, "an import");
    }
    import->state = state;
    pl_status status = PL_OK;
    if (pl_checkpoint_kind(path) == PL_GGUF) {
        status = pl_model_open(path, &import->model, err);
        import->checkpoint = status == PL_OK ? pl_model_checkpoint(import->model) : NULL;
    } else {
        status = pl_checkpoint_open(path, &import->checkpoint, err);
        PL_THEN(find_places(import, err));
    }
    PL_THEN(pl_checkpoint_identity(import->checkpoint, &import->id, task, err));
    if (status != PL_OK) {
        pl_import_close(import);
        return status;
    }
    *out = import;
    return PL_OK;
}

/* --- storing and measuring -------------------------------------------------------------------- */

/* Key of the weights: the model's layer and the checkpoint they come from. */
static pl_status weights_key(const pl_state *state, pl_id imported, size_t layer, pl_id *out,
                             pl_task *task, pl_error *err)
{
    pl_id own = {0};
    pl_hasher *hasher = NULL;
    pl_status status = pl_model_layer_identity(state->source->model, layer, &own, task, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish import 1");
        pl_hasher_id(hasher, own);
        pl_hasher_id(hasher, imported);
        pl_hasher_text(hasher, pl_model_layer(state->source->model, layer)->name);
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* Key of the report: the weights and what they were measured against. */
static pl_status report_key(pl_id weights, bool calibrated, pl_id calibration, size_t site,
                            pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "report 2");
        pl_hasher_id(hasher, weights);
        pl_hasher_id(hasher, calibrated ? pl_calib_site_key(calibration, site) : (pl_id){0});
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* Whether there is a calibration to measure with: the demo and given inputs bring their own. */
static pl_status find_calibration(pl_context cx, size_t layer, bool *has, pl_id *out, pl_error *err)
{
    *has = !pl_model_is_blind(cx.state->source->model, layer) &&
           (pl_source_has_inputs(cx.state->source) || cx.state->calibration.known);
    return *has ? pl_lab_calibration(cx, out, err) : PL_OK;
}

/* Measures w against the layer's own weights and stores the report under *result. */
static pl_status measure_import(pl_context cx, size_t layer, pl_id weights, const pl_mat *w,
                                bool *same, pl_solve_report *report, pl_id *result, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    const double start = pl_clock_now();
    const size_t group_size = PL_IMPORT_GROUP;
    pl_bench bench = {0};
    pl_mat w0 = {0};
    pl_id calibration = {0};
    bool calibrated = false;
    *report = pl_solve_report_empty();
    pl_status status = find_calibration(cx, layer, &calibrated, &calibration, err);
    PL_THEN(report_key(weights, calibrated, calibration, info->site, result, err));
    PL_THEN(pl_weights_make((pl_context){cx.lab, cx.state, NULL}, layer,
                            (pl_weights_of){.which = PL_WHICH_BEFORE}, &w0, err));
    if (status == PL_OK && calibrated) {
        status = pl_lab_site(cx, calibration, info->site, &bench, err);
    }
    if (status == PL_OK && calibrated) {
        status = pl_relative_error(bench.factors, pl_mat_view(&w0), pl_mat_view(w),
                                   &report->relative_error, cx.task, err);
    }
    if (status == PL_OK) {
        const pl_result parts = {
            .has_preconditioned = true, .preconditioned = weights, .range = {NAN, NAN}};
        *same = memcmp(w0.data, w->data, info->rows * info->cols * sizeof(float)) == 0;
        const unsigned failures = pl_memory_failures();
        const pl_tensor_numbers before = pl_describe(pl_mat_view(&w0));
        const pl_tensor_numbers after = pl_describe(pl_mat_view(w));
        report->flatness_weight_before = before.flatness;
        report->flatness_weight_after = after.flatness;
        report->kurtosis_weight_before = before.kurtosis;
        report->kurtosis_weight_after = after.kurtosis;
        report->group_max_before = pl_group_max_mean(pl_mat_view(&w0), group_size);
        report->group_max_after = pl_group_max_mean(pl_mat_view(w), group_size);
        report->seconds = pl_clock_now() - start;
        status = pl_memory_check(failures, err);
        PL_THEN(pl_result_write(cx.lab, cx.state, layer, *result, &parts, report, err));
    }
    pl_lab_release(cx.lab, &bench);
    pl_mat_deinit(&w0);
    return status;
}

static pl_status import_layer(pl_context cx, pl_import *import, size_t layer, bool *found,
                              bool *same, pl_solve_report *report, pl_id *result, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    const pl_method_report nothing = pl_method_report_empty();
    pl_mat w = {0};
    pl_id key = {0};
    pl_status status = pl_mat_init(&w, info->rows, info->cols, err);
    PL_THEN(read_layer(import, layer, w.data, found, err));
    if (status == PL_OK && *found) {
        status = weights_key(cx.state, import->id, layer, &key, cx.task, err);
        PL_THEN(pl_result_write_preconditioned(cx.lab, key, NULL, &w, &nothing, err));
        PL_THEN(measure_import(cx, layer, key, &w, same, report, result, err));
    }
    pl_mat_deinit(&w);
    return status;
}

pl_status pl_import_measure(pl_context cx, size_t layer, pl_solve_report *report, pl_id *result,
                            pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    const pl_id *present = pl_state_result(cx.state, layer);
    pl_mat w = {0};
    pl_result parts = {0};
    bool same = false;
    pl_error why = {0};
    pl_status status = pl_mat_init(&w, info->rows, info->cols, err);
    if (status != PL_OK) {
        return status;
    }
    status = present == NULL
                 ? PL_ERR_NOT_FOUND
                 : pl_result_read(cx.lab, cx.state, layer, *present, &parts, NULL, &why);
    PL_THEN(pl_result_read_preconditioned(cx.lab, parts.preconditioned, NULL, &w, NULL, &why));
    if (status != PL_OK) {
        status = pl_result_unreadable(cx.lab, info->name, "its imported weights are", "import",
                                      status, &why, err);
    }
    PL_THEN(measure_import(cx, layer, parts.preconditioned, &w, &same, report, result, err));
    pl_mat_deinit(&w);
    return status;
}

/* --- what is no layer ------------------------------------------------------------------------- */

/* The model's tensor of that name in the import.  A whole model without a bias has one of 0. */
static bool find_other(const pl_import *import, const pl_named_tensor *own, pl_named_tensor *out)
{
    if (import->model == NULL) {
        *out = *own;
        out->add = 0.0f;
        out->bias_of = SIZE_MAX;
        out->tensor = pl_model_tensor_by_name(import->checkpoint, own->name);
        return out->tensor != NULL;
    }
    for (size_t i = 0; pl_model_named_tensor(import->model, i, out); i++) {
        if (strcmp(out->name, own->name) == 0) {
            return out->tensor != NULL || out->bias_of != SIZE_MAX;
        }
    }
    return false;
}

/* Whether two tensors hold the same numbers in the same shape. */
static pl_status compare_tensors(pl_model *one, const pl_named_tensor *a, const pl_import *import,
                                 const pl_named_tensor *b, bool *same, pl_task *task, pl_error *err)
{
    const size_t cols = (size_t)a->dims[a->n_dims - 1];
    const size_t rows = a->n_dims == 2 ? (size_t)a->dims[0] : 1;
    const size_t step = cols < (1u << 20) ? (1u << 20) / (cols > 0 ? cols : 1) : 1;
    *same = b->tensor == NULL ||
            (pl_tensor_rows(b->tensor) == rows && pl_tensor_cols(b->tensor) == cols);
    float *x = pl_alloc(step * cols, sizeof *x);
    float *y = pl_alloc(step * cols, sizeof *y);
    pl_status status = x == NULL || y == NULL ? pl_error_memory(err, "an import") : PL_OK;
    for (size_t r = 0; status == PL_OK && *same && r < rows; r += step) {
        const size_t count = rows - r < step ? rows - r : step;
        status = pl_task_tick(task, err);
        PL_THEN(pl_model_read_named(one, a, r, count, x, err));
        PL_THEN(import->model != NULL
                    ? pl_model_read_named(import->model, b, r, count, y, err)
                    : pl_checkpoint_read(import->checkpoint, b->tensor, r, count, y, err));
        for (size_t e = 0; status == PL_OK && *same && e < count * cols; e++) {
            *same = x[e] >= y[e] && x[e] <= y[e];
        }
    }
    free(x);
    free(y);
    return status;
}

/* A fine-tune changes norms and embeddings, too, and a tool may fold into them: that is told. */
static pl_status compare_others(const pl_import *import, pl_import_report *report, pl_task *task,
                                pl_error *err)
{
    pl_model *model = import->state->source->model;
    pl_named_tensor own, other;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && pl_model_named_tensor(model, i, &own); i++) {
        bool weight = own.layer != SIZE_MAX || (own.tensor == NULL && own.bias_of == SIZE_MAX);
        /* Biases of experts, which a GGUF has for gate and for up, are not compared with it. */
        weight = weight || (own.together > 0 &&
                            (import->model != NULL ||
                             pl_checkpoint_container(pl_model_checkpoint(model)) == PL_GGUF));
        if (weight || !find_other(import, &own, &other)) {
            continue;
        }
        bool same = false;
        status = compare_tensors(model, &own, import, &other, &same, task, err);
        if (status == PL_OK && !same) {
            memcpy(report->other, own.name, sizeof report->other);
            report->others++;
        }
    }
    return status;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void add_up(pl_import_report *report, const pl_solve_report *one, bool same)
{
    report->layers++;
    report->same += same;
    report->relative_error += one->relative_error;
    report->group_max_before += one->group_max_before;
    report->group_max_after += one->group_max_after;
}

static pl_status no_layers(const pl_import *import, size_t only, pl_error *err)
{
    const pl_model *model = import->state->source->model;
    const pl_layer *layer = pl_model_layer(model, only != SIZE_MAX ? only : 0);
    return pl_error_set(err, PL_ERR_NOT_FOUND, "%s: holds no layer %s%s of %s", import->path,
                        only != SIZE_MAX ? "" : "such as ", layer->name, pl_model_name(model));
}

pl_status pl_import_layers(pl_context cx, pl_import *import, size_t only, pl_solved_fn each,
                           void *ctx, pl_import_report *report, pl_error *err)
{
    const size_t n = pl_model_layer_count(cx.state->source->model);
    const size_t first = only != SIZE_MAX ? only : 0, last = only != SIZE_MAX ? only + 1 : n;
    const double start = pl_clock_now();
    *report = (pl_import_report){0};
    pl_status status = PL_OK;
    for (size_t i = first; status == PL_OK && i < last; i++) {
        pl_solve_report one = pl_solve_report_empty();
        pl_id result = {0};
        bool found = false, same = false;
        pl_task_progress(cx.task, "layers", (double)(i - first), (double)(last - first));
        status = pl_task_tick(cx.task, err);
        PL_THEN(import_layer(cx, import, i, &found, &same, &one, &result, err));
        if (status == PL_OK && found) {
            add_up(report, &one, same);
            each(ctx, i, result, &one);
        }
        report->missing += status == PL_OK && !found;
    }
    if (status == PL_OK && report->layers == 0) {
        status = no_layers(import, only, err);
    }
    if (status == PL_OK && only == SIZE_MAX) {
        status = compare_others(import, report, cx.task, err);
    }
    if (status == PL_OK) {
        const double count = (double)report->layers;
        report->relative_error /= count;
        report->group_max_before /= count;
        report->group_max_after /= count;
        report->seconds = pl_clock_now() - start;
        status = pl_store_trim(pl_lab_store(cx.lab), err);
    }
    return status;
}
