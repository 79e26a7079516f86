#include "core/study/layer_table.h"

#include "core/base/checked.h"
#include "core/base/nearest.h"
#include "core/lab/results.h"
#include "core/lab/weights.h"
#include "core/metrics/outliers.h"
#include "core/model/bare.h"
#include "core/study/sensitivity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const pl_column_info pl_columns[PL_COLUMN_COUNT] = {
#define PL_COLUMN_INFO(id, name, head, source, scale, help) {name, head, source, scale, help},
    PL_COLUMN_LIST(PL_COLUMN_INFO)
#undef PL_COLUMN_INFO
};

pl_column pl_column_find(const char *name, size_t length)
{
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        if (strlen(pl_columns[c].name) == length && memcmp(pl_columns[c].name, name, length) == 0) {
            return c;
        }
    }
    return PL_COLUMN_COUNT;
}

pl_status pl_column_parse(const char *what, const char *name, size_t length, pl_column *out,
                          pl_error *err)
{
    *out = pl_column_find(name, length);
    if (*out != PL_COLUMN_COUNT) {
        return PL_OK;
    }
    char word[64];
    char safe[2 * sizeof word];
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1),
             name);
    pl_text_escape(word, strlen(word), safe, sizeof safe);
    pl_nearest near = pl_nearest_to(word);
    char hint[PL_NEAREST_HINT];
    char all[PL_COLUMN_COUNT * 20] = "";
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        pl_nearest_try(&near, pl_columns[c].name);
        strcat(all, c == 0 ? "" : c + 1 < PL_COLUMN_COUNT ? ", " : " or ");
        strcat(all, pl_columns[c].name);
    }
    return pl_error_set(err, PL_ERR_USAGE, "%s: no column is named \"%s\"%s%s", what, safe,
                        near.best != NULL ? "" : ", expected ",
                        near.best != NULL ? pl_nearest_hint(&near, ": ", "", hint) : all);
}

pl_layer_row pl_layer_row_empty(void)
{
    pl_layer_row row = {.problem = PL_OK};
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        row.number[c] = NAN;
    }
    return row;
}

void pl_layer_row_solved(pl_layer_row *row, pl_id result, const pl_solve_report *report)
{
    if (!pl_id_equal(row->result, result)) {
        row->number[PL_COLUMN_KL] = NAN; /* it was the former result's */
        row->number[PL_COLUMN_KL_ESTIMATE] = NAN;
    }
    row->result = result;
    row->number[PL_COLUMN_ERROR] = report->relative_error;
    row->number[PL_COLUMN_ROUNDED_ERROR] = report->rounded_relative_error;
    row->number[PL_COLUMN_OUTPUT_ERROR] = report->output_error;
    row->number[PL_COLUMN_GAP] = report->gap;
    row->number[PL_COLUMN_TIMES_LEAST] = pl_report_times_least(report);
    row->number[PL_COLUMN_BITS] = report->bits_per_weight;
    row->number[PL_COLUMN_SECONDS] = report->seconds;
}

double pl_layer_number(const pl_layer_row *row, pl_column column, const pl_id *now)
{
    const bool stale = pl_columns[column].source == PL_OF_SOLUTION &&
                       (now == NULL || !pl_id_equal(*now, row->result));
    return stale ? (double)NAN : row->number[column];
}

/* --- filling ---------------------------------------------------------------------------------- */

static pl_status fill_weights(pl_lab *lab, const pl_state *state, size_t layer, pl_layer_row *row,
                              pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_mat w = {0};
    float *max = pl_alloc(info->cols, sizeof *max);
    pl_status status = max == NULL
                           ? pl_error_memory(err, "a result")
                           : pl_weights_make((pl_context){lab, state, NULL}, layer,
                                             (pl_weights_of){.which = PL_WHICH_BEFORE}, &w, err);
    if (status == PL_OK) {
        const pl_tensor_numbers whole = pl_describe(pl_mat_view(&w));
        pl_column_stats(pl_mat_view(&w), max, NULL, NULL);
        row->number[PL_COLUMN_WEIGHT_RATIO] = pl_outlier_ratio(max, info->cols);
        row->number[PL_COLUMN_WEIGHT_MAX] = whole.max;
        row->number[PL_COLUMN_WEIGHT_OUTLIERS] =
            (double)pl_outlier_count(max, info->cols, PL_OUTLIER_FACTOR);
        row->number[PL_COLUMN_KURTOSIS] = whole.kurtosis;
    }
    free(max);
    pl_mat_deinit(&w);
    const bool own = status == PL_ERR_UNSUPPORTED || status == PL_ERR_NUMERIC;
    row->problem = own ? status : PL_OK;
    return own ? PL_OK : status;
}

/* Statistics of a layer's inputs; empty where there are none yet.  Given inputs are read here for
 * the first time. */
static pl_status load_inputs(pl_context cx, pl_id calibration, size_t layer, pl_site_stats *out,
                             pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    const size_t site = pl_model_layer(model, layer)->site;
    if (pl_model_is_bare(model)) {
        *out = (pl_site_stats){0};
        return pl_model_is_blind(model, layer)
                   ? PL_OK
                   : pl_lab_load_site(cx, calibration, site, PL_GRAM_NONE, false, out, err);
    }
    const pl_status status = pl_calib_load_site(pl_lab_store(cx.lab), calibration, model, site,
                                                PL_GRAM_NONE, false, out, err);
    return pl_result_is_gone(status) ? PL_OK : status;
}

/* How many massive activations each block leaves, [blocks]; NULL where that is not known. */
static pl_status count_massive(pl_lab *lab, const pl_state *state, pl_id calibration, double **out,
                               pl_error *err)
{
    const size_t blocks = pl_model_config(state->source->model)->blocks;
    pl_massive *found = NULL;
    size_t count = 0;
    *out = NULL;
    if (blocks == 0) {
        return PL_OK;
    }
    pl_status status = pl_calib_load_massive(pl_lab_store(lab), calibration, &found, &count, err);
    if (status != PL_OK) {
        return pl_result_is_gone(status) ? PL_OK : status;
    }
    *out = calloc(blocks, sizeof **out);
    for (size_t i = 0; *out != NULL && i < count; i++) {
        if (found[i].block < blocks) {
            (*out)[found[i].block]++;
        }
    }
    free(found);
    return *out != NULL ? PL_OK : pl_error_memory(err, "the massive activations");
}

static pl_status fill_inputs(pl_context cx, pl_id calibration, size_t layer, pl_layer_row *row,
                             pl_error *err)
{
    pl_site_stats stats = {0};
    pl_status status = load_inputs(cx, calibration, layer, &stats, err);
    if (status == PL_OK && stats.max != NULL) {
        double largest = 0;
        for (size_t c = 0; c < stats.n; c++) {
            largest = fmax(largest, (double)stats.max[c]);
        }
        row->number[PL_COLUMN_INPUT_RATIO] = pl_outlier_ratio(stats.max, stats.n);
        row->number[PL_COLUMN_INPUT_MAX] = largest;
        row->number[PL_COLUMN_INPUT_OUTLIERS] =
            (double)pl_outlier_count(stats.max, stats.n, PL_OUTLIER_FACTOR);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status fill_solution(pl_lab *lab, const pl_state *state, size_t layer, pl_layer_row *row,
                               pl_error *err)
{
    pl_solve_report report;
    const pl_id *result = pl_state_result(state, layer);
    if (result == NULL) {
        return PL_OK;
    }
    const pl_status status = pl_result_report(lab, state, layer, *result, &report, err);
    if (status == PL_OK) {
        pl_layer_row_solved(row, *result, &report);
        row->number[PL_COLUMN_KL] = pl_sensitivity_of_result(lab, state, *result);
        row->number[PL_COLUMN_KL_ESTIMATE] = pl_estimate_of_result(lab, state, *result);
    }
    return pl_result_is_gone(status) ? PL_OK : status;
}

pl_status pl_layer_rows(pl_context cx, size_t first, size_t count, pl_layer_row *rows,
                        pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    pl_id calibration = {0};
    const bool calibrated = pl_lab_is_calibrated(cx.lab, cx.state, &calibration);
    double *massive = NULL;
    pl_status status =
        calibrated ? count_massive(cx.lab, cx.state, calibration, &massive, err) : PL_OK;
    PL_THEN(pl_sensitivity_look(cx, first, count, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_layer *info = pl_model_layer(model, first + i);
        rows[i] = pl_layer_row_empty();
        rows[i].number[PL_COLUMN_BLOCK] = (double)info->block;
        status = fill_solution(cx.lab, cx.state, first + i, &rows[i], err);
        PL_THEN(fill_weights(cx.lab, cx.state, first + i, &rows[i], err));
        /* The layers of a site stand together: its statistics are read once. */
        if (i > 0 && info->site == pl_model_layer(model, first + i - 1)->site) {
            static const pl_column shared[] = {PL_COLUMN_INPUT_RATIO, PL_COLUMN_INPUT_MAX,
                                               PL_COLUMN_INPUT_OUTLIERS};
            for (size_t c = 0; c < sizeof shared / sizeof *shared; c++) {
                rows[i].number[shared[c]] = rows[i - 1].number[shared[c]];
            }
        } else if (status == PL_OK && calibrated) {
            status = fill_inputs(cx, calibration, first + i, &rows[i], err);
        }
        if (massive != NULL) {
            rows[i].number[PL_COLUMN_MASSIVE] = massive[info->block];
        }
        PL_THEN(pl_task_tick(cx.task, err));
    }
    free(massive);
    return status;
}

/* --- order ------------------------------------------------------------------------------------ */

typedef struct ranking {
    const double *values;
    bool rising;
} ranking;

static int compare_layers(const void *a, const void *b, void *ctx)
{
    const ranking *r = ctx;
    const size_t i = *(const size_t *)a, j = *(const size_t *)b;
    if (r->values != NULL) {
        const double x = r->values[i], y = r->values[j];
        if (isnan(x) != isnan(y)) {
            return isnan(x) ? 1 : -1;
        }
        if (x < y || x > y) {
            return (x < y) == r->rising ? -1 : 1;
        }
    }
    return i < j ? -1 : i > j;
}

void pl_layers_order(size_t *layers, size_t n, const double *values, bool rising)
{
    ranking r = {values, rising};
    qsort_r(layers, n, sizeof *layers, compare_layers, &r);
}
