#include "core/study/channel_table.h"

#include "core/base/checked.h"
#include "core/lab/weights.h"
#include "core/metrics/outliers.h"
#include "core/model/bare.h"
#include "core/study/channels_by_block.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the table from per-channel maxima; token columns are filled by the caller. */
static size_t top_rows(const float *max, const float *rms, size_t n, size_t top,
                       pl_channel_row *rows)
{
    size_t *order = calloc(top > 0 ? top : 1, sizeof *order);
    if (order == NULL) {
        pl_memory_failed();
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
        if (named && rows[i].token_id >= 0) {
            pl_tokenizer_show(tokenizer, rows[i].token_id, &text);
        }
        snprintf(rows[i].token, sizeof rows[i].token, "%s", text.data != NULL ? text.data : "");
        pl_text_trim_utf8(rows[i].token);
        pl_buf_deinit(&text);
    }
}

size_t pl_channels_of_inputs(const pl_model *model, const pl_site_stats *stats, size_t top,
                             pl_channel_row *rows)
{
    const size_t count = top_rows(stats->max, stats->rms, stats->n, top, rows);
    add_tokens(model, stats, rows, count);
    return count;
}

pl_status pl_channels_of_weights(const pl_mat *w, size_t top, pl_channel_row *rows, size_t *count,
                                 float *max_out, pl_error *err)
{
    float *max = pl_alloc(w->cols, sizeof *max);
    float *rms = pl_alloc(w->cols, sizeof *rms);
    pl_status status = PL_OK;
    if (max == NULL || rms == NULL) {
        status = pl_error_memory(err, "a table of channels");
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

pl_status pl_channel_table(pl_context cx, size_t layer, pl_side side, size_t top,
                           pl_channel_row *rows, size_t *count, pl_error *err)
{
    *count = 0;
    pl_model *model = cx.state->source->model;
    if (side == PL_SIDE_WEIGHT) {
        pl_mat w = {0};
        pl_status status = pl_weights_make((pl_context){cx.lab, cx.state, NULL}, layer,
                                           (pl_weights_of){.which = PL_WHICH_BEFORE}, &w, err);
        PL_THEN(pl_channels_of_weights(&w, top, rows, count, NULL, err));
        pl_mat_deinit(&w);
        return status;
    }
    pl_id calibration = {0};
    pl_bench bench = {0};
    pl_status status = pl_lab_calibration(cx, &calibration, err);
    PL_THEN(pl_lab_site(cx, calibration, pl_model_layer(model, layer)->site, &bench, err));
    if (status == PL_OK) {
        *count = pl_channels_of_inputs(model, bench.stats, top, rows);
    }
    pl_lab_release(cx.lab, &bench);
    return status;
}

/* --- all layers ------------------------------------------------------------------------------- */

typedef struct channel_ranking {
    pl_context cx;
    pl_id calibration; /* of inputs */
    size_t top;
    pl_channel_row *found; /* [top] of the layer at hand */
    pl_ranked_channel *rows;
    size_t count;
    size_t *outlier_in; /* [hidden_size] */
    size_t inputs;
} channel_ranking;

/* Keeps the rows sorted by falling ratio; equal ones as they come. */
static void insert_channel(channel_ranking *r, size_t layer, const pl_channel_row *row)
{
    if (r->count == r->top && !(row->ratio > r->rows[r->count - 1].row.ratio)) {
        return;
    }
    size_t at = r->count < r->top ? r->count++ : r->top - 1;
    for (; at > 0 && row->ratio > r->rows[at - 1].row.ratio; at--) {
        r->rows[at] = r->rows[at - 1];
    }
    r->rows[at] = (pl_ranked_channel){.layer = layer, .row = *row};
}

static pl_status rank_inputs(channel_ranking *r, size_t layer, pl_error *err)
{
    const pl_model *model = r->cx.state->source->model;
    pl_site_stats stats = {0};
    pl_status status = pl_lab_load_site(r->cx, r->calibration, pl_model_layer(model, layer)->site,
                                        PL_GRAM_NONE, false, &stats, err);
    if (status == PL_OK) {
        const size_t found = pl_channels_of_inputs(model, &stats, r->top, r->found);
        for (size_t i = 0; i < found; i++) {
            insert_channel(r, layer, &r->found[i]);
        }
    }
    if (status == PL_OK && pl_reads_residual(model, layer)) {
        const double median = pl_median(stats.max, stats.n);
        for (size_t c = 0; c < stats.n; c++) {
            r->outlier_in[c] += (double)stats.max[c] > PL_OUTLIER_FACTOR * median;
        }
        r->inputs++;
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status rank_weights(channel_ranking *r, size_t layer, pl_error *err)
{
    size_t found = 0;
    pl_status status =
        pl_channel_table(r->cx, layer, PL_SIDE_WEIGHT, r->top, r->found, &found, err);
    for (size_t i = 0; status == PL_OK && i < found; i++) {
        insert_channel(r, layer, &r->found[i]);
    }
    return status;
}

pl_status pl_rank_channels(pl_context cx, pl_side side, const char *glob, size_t top,
                           pl_ranked_channel *rows, size_t *count, pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    const size_t hidden = pl_model_config(model)->hidden_size;
    channel_ranking r = {.cx = cx,
                         .top = top,
                         .rows = rows,
                         .found = calloc(top, sizeof *r.found),
                         .outlier_in = calloc(hidden + 1, sizeof *r.outlier_in)};
    pl_status status = r.found != NULL && r.outlier_in != NULL
                           ? PL_OK
                           : pl_error_memory(err, "a table of channels");
    size_t site = SIZE_MAX;
    if (status == PL_OK && side == PL_SIDE_INPUT) {
        status = pl_lab_calibration(cx, &r.calibration, err);
    }
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(model); i++) {
        const size_t own = pl_model_layer(model, i)->site;
        const bool again = side == PL_SIDE_INPUT && own == site; /* shares the inputs just seen */
        const bool blind = side == PL_SIDE_INPUT && pl_model_is_blind(model, i);
        if (!again && !blind && (glob == NULL || pl_model_layer_matches(model, i, glob))) {
            status = side == PL_SIDE_INPUT ? rank_inputs(&r, i, err) : rank_weights(&r, i, err);
            site = own;
        }
        PL_THEN(pl_task_tick(cx.task, err));
    }
    for (size_t i = 0; i < r.count; i++) {
        if (side == PL_SIDE_INPUT && pl_reads_residual(model, rows[i].layer)) {
            rows[i].outlier_in = r.outlier_in[rows[i].row.channel];
            rows[i].inputs = r.inputs;
        }
    }
    *count = status == PL_OK ? r.count : 0;
    free(r.found);
    free(r.outlier_in);
    return status;
}
