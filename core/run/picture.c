#include "core/run/picture.h"

#include "core/base/checked.h"
#include "core/metrics/outliers.h"
#include "core/metrics/recon.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decodes a layer's weights of some kind into a fresh matrix. */
static pl_status read_weights(pl_lab *lab, const pl_state *state, size_t layer, pl_which which,
                              pl_mat *out, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_status status = pl_mat_init(out, info->rows, info->cols, err);
    if (status == PL_OK) {
        status = pl_layer_weights(lab, state, layer, which, out->data, err);
    }
    if (status != PL_OK) {
        pl_mat_deinit(out);
    }
    return status;
}

/* The weight scores of a layer; NaN where its dtype cannot be read: such a layer is listed, too. */
static pl_status weight_scores(pl_lab *lab, const pl_state *state, size_t layer,
                               pl_layer_score *score, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_mat w = {0};
    score->weight_max = score->weight_ratio = NAN;
    float *max = pl_alloc(info->cols, sizeof *max);
    pl_status status = max == NULL ? pl_error_set(err, PL_ERR_MEMORY, "out of memory")
                                   : read_weights(lab, state, layer, PL_WHICH_BEFORE, &w, err);
    if (status == PL_OK) {
        pl_column_stats(pl_mat_view(&w), max, NULL, NULL);
        score->weight_ratio = (float)pl_outlier_ratio(max, info->cols);
        score->weight_max = 0;
        for (size_t c = 0; c < info->cols; c++) {
            score->weight_max = fmaxf(score->weight_max, max[c]);
        }
    }
    free(max);
    pl_mat_deinit(&w);
    return status == PL_ERR_UNSUPPORTED ? PL_OK : status;
}

pl_status pl_layer_scores(pl_lab *lab, const pl_state *state, size_t first, size_t count,
                          pl_layer_score *scores, pl_task *task, pl_error *err)
{
    pl_model *model = state->source->model;
    pl_id calibration = {0};
    bool calibrated = pl_lab_is_calibrated(lab, state, &calibration);
    size_t site = SIZE_MAX;
    float input_ratio = NAN;
    for (size_t i = 0; i < count; i++) {
        size_t layer = first + i;
        const pl_layer *info = pl_model_layer(model, layer);
        pl_status status = weight_scores(lab, state, layer, &scores[i], err);
        if (status != PL_OK) {
            return status;
        }
        /* The layers of a site stand together: its statistics are read once. */
        if (calibrated && info->site != site) {
            pl_site_stats stats = {0};
            input_ratio = NAN;
            if (pl_calib_load_site(pl_lab_store(lab), calibration, info->site, false, false,
                                   &stats, NULL) == PL_OK) {
                input_ratio = (float)pl_outlier_ratio(stats.max, stats.n);
            }
            pl_site_stats_deinit(&stats);
            site = info->site;
        }
        scores[i].input_ratio = input_ratio;
        status = pl_task_tick(task, err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

/* Rows of the table from per-channel maxima; token columns are filled by the caller. */
static size_t top_rows(const float *max, const float *rms, size_t n, size_t top,
                       pl_channel_row *rows)
{
    size_t *order = calloc(top > 0 ? top : 1, sizeof *order);
    if (order == NULL) {
        return 0;
    }
    size_t count = pl_top_channels(max, n, top, order);
    double median = pl_median(max, n);
    for (size_t i = 0; i < count; i++) {
        size_t c = order[i];
        rows[i] = (pl_channel_row){
            .channel = c,
            .max = (double)max[c],
            .rms = (double)rms[c],
            .ratio = (double)max[c] / median,
            .token_position = -1,
            .token_id = -1,
        };
    }
    free(order);
    return count;
}

static void add_tokens(const pl_model *model, const pl_site_stats *stats, pl_channel_row *rows,
                       size_t count)
{
    const pl_tokenizer *tokenizer = NULL;
    bool named = pl_model_need_tokenizer(model, &tokenizer, NULL) == PL_OK;
    for (size_t i = 0; i < count; i++) {
        size_t c = rows[i].channel;
        rows[i].token_position = stats->max_position[c];
        rows[i].token_id = stats->max_token[c];
        pl_buf text = {0};
        if (named) {
            pl_tokenizer_show(tokenizer, rows[i].token_id, &text);
        }
        snprintf(rows[i].token, sizeof rows[i].token, "%s", text.data != NULL ? text.data : "");
        pl_text_trim_utf8(rows[i].token);
        pl_buf_deinit(&text);
    }
}

static pl_status weight_table(const pl_mat *w, size_t top, pl_channel_row *rows, size_t *count,
                              float *max_out, pl_error *err)
{
    float *max = pl_alloc(w->cols, sizeof *max);
    float *rms = pl_alloc(w->cols, sizeof *rms);
    pl_status status = PL_OK;
    if (max == NULL || rms == NULL) {
        status = pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    } else {
        pl_column_stats(pl_mat_view(w), max, rms, NULL);
        *count = top_rows(max, rms, w->cols, top, rows);
        if (max_out != NULL) {
            memcpy(max_out, max, w->cols * sizeof *max);
        }
    }
    free(max);
    free(rms);
    return status;
}

pl_status pl_channel_table(pl_lab *lab, const pl_state *state, size_t layer, pl_side side,
                           size_t top, pl_channel_row *rows, size_t *count, pl_task *task,
                           pl_error *err)
{
    *count = 0;
    pl_model *model = state->source->model;
    if (side == PL_SIDE_WEIGHT) {
        pl_mat w = {0};
        pl_status status = read_weights(lab, state, layer, PL_WHICH_BEFORE, &w, err);
        if (status == PL_OK) {
            status = weight_table(&w, top, rows, count, NULL, err);
        }
        pl_mat_deinit(&w);
        return status;
    }
    pl_id calibration = {0};
    pl_bench bench = {0};
    pl_status status = pl_lab_calibration(lab, state, &calibration, task, err);
    if (status == PL_OK) {
        status = pl_lab_site(lab, state, calibration, pl_model_layer(model, layer)->site, &bench,
                             task, err);
    }
    if (status == PL_OK) {
        *count = top_rows(bench.stats->max, bench.stats->rms, bench.stats->n, top, rows);
        add_tokens(model, bench.stats, rows, *count);
    }
    pl_lab_release(lab, &bench);
    return status;
}

static float *column_max(const pl_mat *w)
{
    float *max = pl_alloc(w->cols, sizeof *max);
    if (max != NULL) {
        pl_column_stats(pl_mat_view(w), max, NULL, NULL);
    }
    return max;
}

/* Per-channel maxima of the weights of some kind. */
static pl_status maxima(pl_lab *lab, const pl_state *state, size_t layer, pl_which which,
                        float **out, pl_error *err)
{
    pl_mat w = {0};
    pl_status status = read_weights(lab, state, layer, which, &w, err);
    if (status == PL_OK) {
        *out = column_max(&w);
        status = *out == NULL ? pl_error_set(err, PL_ERR_MEMORY, "out of memory") : PL_OK;
    }
    pl_mat_deinit(&w);
    return status;
}

static pl_status picture_solved(pl_lab *lab, const pl_state *state, pl_picture *picture,
                                pl_error *err)
{
    const pl_id *result = pl_state_result(state, picture->layer);
    if (result == NULL || pl_result_report(lab, *result, &picture->report, NULL) != PL_OK) {
        return PL_OK;
    }
    picture->solved = true;
    pl_status status = PL_OK;
    if (pl_state_spec(state, picture->layer, PL_SLOT_PRECONDITION)->method != NULL) {
        status = maxima(lab, state, picture->layer, PL_WHICH_PRECONDITIONED,
                        &picture->preconditioned, err);
    }
    if (status == PL_OK && pl_state_spec(state, picture->layer, PL_SLOT_ROUND)->method != NULL) {
        status = maxima(lab, state, picture->layer, PL_WHICH_AFTER, &picture->after, err);
    }
    return status;
}

static pl_status picture_input(pl_lab *lab, const pl_state *state, pl_picture *picture,
                               pl_task *task, pl_error *err)
{
    pl_id calibration = {0};
    if (!pl_lab_is_calibrated(lab, state, &calibration)) {
        return PL_OK;
    }
    pl_bench bench = {0};
    const pl_layer *info = pl_model_layer(state->source->model, picture->layer);
    pl_status status = pl_lab_site(lab, state, calibration, info->site, &bench, task, err);
    if (status == PL_OK) {
        picture->input = pl_alloc(info->cols, sizeof(float));
        if (picture->input == NULL) {
            status = pl_error_set(err, PL_ERR_MEMORY, "out of memory");
        } else {
            memcpy(picture->input, bench.stats->max, info->cols * sizeof(float));
            picture->n_inputs = top_rows(bench.stats->max, bench.stats->rms, info->cols,
                                         PL_PICTURE_TOP, picture->inputs);
            add_tokens(state->source->model, bench.stats, picture->inputs, picture->n_inputs);
        }
    }
    pl_lab_release(lab, &bench);
    return status;
}

static size_t shown_group_size(const pl_state *state, size_t layer)
{
    const pl_spec *precondition = pl_state_spec(state, layer, PL_SLOT_PRECONDITION);
    if (precondition->method != NULL) {
        return precondition->method->group_size(precondition);
    }
    const pl_spec *round = pl_state_spec(state, layer, PL_SLOT_ROUND);
    return round->method != NULL ? pl_spec_grid(round).group_size : 0;
}

pl_status pl_picture_create(pl_lab *lab, const pl_state *state, size_t layer, pl_picture **out,
                            pl_task *task, pl_error *err)
{
    *out = NULL;
    pl_picture *picture = calloc(1, sizeof *picture);
    if (picture == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    picture->layer = layer;
    picture->rows = info->rows;
    picture->cols = info->cols;
    pl_mat w = {0};
    pl_status status = PL_OK;
    picture->before = pl_alloc(info->cols, sizeof(float));
    if (picture->before == NULL) {
        status = pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    if (status == PL_OK) {
        status = read_weights(lab, state, layer, PL_WHICH_BEFORE, &w, err);
    }
    if (status == PL_OK) {
        status = weight_table(&w, PL_PICTURE_TOP, picture->weights, &picture->n_weights,
                              picture->before, err);
    }
    if (status == PL_OK) {
        picture->group_max_before =
            pl_group_max_mean(pl_mat_view(&w), shown_group_size(state, layer));
        status = picture_solved(lab, state, picture, err);
    }
    if (status == PL_OK) {
        status = picture_input(lab, state, picture, task, err);
    }
    pl_mat_deinit(&w);
    if (status != PL_OK) {
        pl_picture_destroy(picture);
        return status;
    }
    *out = picture;
    return PL_OK;
}

void pl_picture_destroy(pl_picture *picture)
{
    if (picture != NULL) {
        free(picture->before);
        free(picture->preconditioned);
        free(picture->after);
        free(picture->input);
        free(picture);
    }
}
