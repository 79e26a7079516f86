#include "core/live/picture.h"

#include "core/base/checked.h"
#include "core/lab/results.h"
#include "core/lab/weights.h"
#include "core/live/picture_parts.h"
#include "core/metrics/outliers.h"
#include "core/metrics/recon.h"
#include "core/model/bare.h"
#include "core/state/kept.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float *column_max(const pl_mat *w)
{
    float *max = pl_alloc(w->cols, sizeof *max);
    if (max != NULL) {
        pl_column_stats(pl_mat_view(w), max, NULL, NULL);
    }
    return max;
}

/* Channel maxima of what the layer's plan has made of it. */
static pl_status maxima_after(pl_lab *lab, const pl_state *state, const pl_picture *picture,
                              pl_which which, float **max, pl_error *err)
{
    pl_mat w = {0};
    pl_status status = pl_weights_make((pl_context){lab, state, NULL}, picture->layer,
                                       (pl_weights_of){.which = which}, &w, err);
    if (status == PL_OK) {
        *max = column_max(&w);
        status = *max == NULL ? pl_error_memory(err, "a picture") : PL_OK;
    }
    pl_mat_deinit(&w);
    return status;
}

static pl_status picture_solved(pl_context cx, pl_picture *picture, pl_error *err)
{
    const pl_id *result = pl_state_result(cx.state, picture->layer);
    if (result == NULL) {
        return PL_OK;
    }
    pl_status status =
        pl_result_report(cx.lab, cx.state, picture->layer, *result, &picture->report, err);
    if (status != PL_OK) {
        return pl_result_is_gone(status) ? PL_OK : status;
    }
    picture->solved = true;
    status = pl_task_tick(cx.task, err);
    if (status == PL_OK &&
        pl_state_spec(cx.state, picture->layer, PL_SLOT_PRECONDITION)->method != NULL) {
        status = maxima_after(cx.lab, cx.state, picture, PL_WHICH_PRECONDITIONED,
                              &picture->preconditioned, err);
    }
    PL_THEN(pl_task_tick(cx.task, err));
    if (status == PL_OK && pl_state_spec(cx.state, picture->layer, PL_SLOT_ROUND)->method != NULL) {
        status = maxima_after(cx.lab, cx.state, picture, PL_WHICH_AFTER, &picture->after, err);
    }
    return status;
}

/* One pinned baseline; one whose result has left the store is not shown. */
static pl_status picture_pin(pl_lab *lab, const pl_state *state, pl_picture *picture, size_t index,
                             pl_mat *w, pl_error *err)
{
    const pl_pin *pin = pl_kept_pin(state->kept[index], picture->layer);
    const bool prepared =
        pl_state_spec(&pin->of->is, pin->layer, PL_SLOT_PRECONDITION)->method != NULL;
    const pl_which which = prepared ? PL_WHICH_PRECONDITIONED : PL_WHICH_AFTER;
    pl_solve_report report;
    if (pl_result_report(lab, state, pin->layer, pin->result, &report, NULL) != PL_OK ||
        pl_weights_read((pl_context){lab, state, NULL}, pin->layer,
                        (pl_weights_of){.which = which, .pin = pin}, w->data, NULL) != PL_OK) {
        return PL_OK;
    }
    float *max = column_max(w);
    if (max == NULL) {
        return pl_error_memory(err, "a picture");
    }
    const size_t at = picture->n_pins++;
    picture->pins[at].max = max;
    picture->pins[at].index = index;
    picture->pins[at].named = pin->of->name[0] != '\0';
    picture->pins[at].report = report;
    memcpy(picture->pins[at].label, pin->label, sizeof pin->label);
    return PL_OK;
}

static pl_status picture_pins(pl_context cx, pl_picture *picture, pl_error *err)
{
    pl_mat w = {0};
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < cx.state->n_kept; i++) {
        if (pl_kept_pin(cx.state->kept[i], picture->layer) == NULL) {
            continue;
        }
        status = pl_task_tick(cx.task, err);
        if (status == PL_OK && w.data == NULL) {
            status = pl_mat_init(&w, picture->rows, picture->cols, err);
        }
        PL_THEN(picture_pin(cx.lab, cx.state, picture, i, &w, err));
    }
    pl_mat_deinit(&w);
    return status;
}

static pl_status picture_input(pl_context cx, pl_picture *picture, pl_error *err)
{
    pl_id calibration = {0};
    if (!pl_lab_is_calibrated(cx.lab, cx.state, &calibration) ||
        pl_model_is_blind(cx.state->source->model, picture->layer)) {
        return PL_OK;
    }
    pl_bench bench = {0};
    const pl_layer *info = pl_model_layer(cx.state->source->model, picture->layer);
    pl_status status = pl_lab_site(cx, calibration, info->site, &bench, err);
    if (status == PL_OK) {
        picture->input = pl_alloc(info->cols, sizeof(float));
        if (picture->input == NULL) {
            status = pl_error_memory(err, "a picture");
        } else {
            memcpy(picture->input, bench.stats->max, info->cols * sizeof(float));
            picture->n_inputs = pl_channels_of_inputs(cx.state->source->model, bench.stats,
                                                      PL_PICTURE_TOP, picture->inputs);
        }
    }
    pl_lab_release(cx.lab, &bench);
    return status;
}

size_t pl_picture_group_size(const pl_state *state, size_t layer)
{
    return pl_spec_group_size(pl_state_spec(state, layer, PL_SLOT_PRECONDITION),
                              pl_state_spec(state, layer, PL_SLOT_ROUND), 0);
}

static void find_extremes(const pl_mat *w, float *out)
{
    memset(out, 0, w->cols * sizeof *out);
    for (size_t r = 0; r < w->rows; r++) {
        const float *row = w->data + r * w->cols;
        for (size_t c = 0; c < w->cols; c++) {
            out[c] = fabsf(row[c]) > fabsf(out[c]) ? row[c] : out[c];
        }
    }
}

static pl_status begin_picture(const pl_state *state, size_t layer, const pl_mat *w,
                               pl_picture **out, pl_error *err)
{
    *out = NULL;
    pl_picture *picture = calloc(1, sizeof *picture);
    if (picture == NULL) {
        return pl_error_memory(err, "a picture");
    }
    picture->layer = layer;
    picture->rows = w->rows;
    picture->cols = w->cols;
    picture->before = pl_alloc(w->cols, sizeof(float));
    picture->extreme = pl_alloc(w->cols, sizeof(float));
    bool missing = picture->before == NULL || picture->extreme == NULL;
    pl_status status = missing ? pl_error_memory(err, "a picture")
                               : pl_channels_of_weights(w, PL_PICTURE_TOP, picture->weights,
                                                        &picture->n_weights, picture->before, err);
    if (status != PL_OK) {
        pl_picture_destroy(picture);
        return status;
    }
    find_extremes(w, picture->extreme);
    const pl_tensor_numbers numbers = pl_describe(pl_mat_view(w));
    picture->flatness_before = numbers.flatness;
    picture->kurtosis_before = numbers.kurtosis;
    picture->group_max_before =
        pl_group_max_mean(pl_mat_view(w), pl_picture_group_size(state, layer));
    *out = picture;
    return PL_OK;
}

pl_status pl_picture_base(pl_context cx, size_t layer, const pl_mat *w0, pl_picture **out,
                          pl_error *err)
{
    pl_status status = begin_picture(cx.state, layer, w0, out, err);
    PL_THEN(picture_pins(cx, *out, err));
    PL_THEN(picture_input(cx, *out, err));
    if (status != PL_OK) {
        pl_picture_destroy(*out);
        *out = NULL;
    }
    return status;
}

pl_status pl_picture_create(pl_context cx, size_t layer, pl_picture **out, pl_error *err)
{
    *out = NULL;
    pl_mat w = {0};
    pl_status status = pl_weights_make((pl_context){cx.lab, cx.state, NULL}, layer,
                                       (pl_weights_of){.which = PL_WHICH_BEFORE}, &w, err);
    PL_THEN(pl_picture_base(cx, layer, &w, out, err));
    pl_mat_deinit(&w);
    PL_THEN(picture_solved(cx, *out, err));
    if (status != PL_OK) {
        pl_picture_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* A copy of from[count], or NULL for NULL. */
static float *copy_values(const float *from, size_t count, bool *failed)
{
    float *to = from != NULL ? pl_alloc(count, sizeof *to) : NULL;
    if (to != NULL) {
        memcpy(to, from, count * sizeof *to);
    }
    *failed = *failed || (from != NULL && to == NULL);
    return to;
}

pl_status pl_picture_copy(const pl_picture *from, pl_picture **out, pl_error *err)
{
    *out = NULL;
    pl_picture *to = malloc(sizeof *to);
    if (to == NULL) {
        return pl_error_memory(err, "a picture");
    }
    bool failed = false;
    *to = *from;
    to->before = copy_values(from->before, from->cols, &failed);
    to->extreme = copy_values(from->extreme, from->cols, &failed);
    to->preconditioned = copy_values(from->preconditioned, from->cols, &failed);
    to->after = copy_values(from->after, from->cols, &failed);
    to->input = copy_values(from->input, from->cols, &failed);
    for (size_t i = 0; i < from->n_pins; i++) {
        to->pins[i].max = copy_values(from->pins[i].max, from->cols, &failed);
    }
    if (failed) {
        pl_picture_destroy(to);
        return pl_error_memory(err, "a picture");
    }
    *out = to;
    return PL_OK;
}

void pl_picture_destroy(pl_picture *picture)
{
    if (picture != NULL) {
        free(picture->before);
        free(picture->extreme);
        free(picture->preconditioned);
        free(picture->after);
        free(picture->input);
        for (size_t i = 0; i < picture->n_pins; i++) {
            free(picture->pins[i].max);
        }
        free(picture);
    }
}
