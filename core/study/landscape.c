#include "core/study/landscape.h"

#include "core/base/checked.h"
#include "core/lab/outputs.h"
#include "core/lab/pipeline.h"
#include "core/lab/results.h"
#include "core/lab/transformed.h"
#include "core/lab/weights.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 256 }; /* rows of X at a time */

void pl_landscape_deinit(pl_landscape *landscape)
{
    free(landscape->layers);
    free(landscape->values);
    free(landscape->tokens);
    *landscape = (pl_landscape){0};
}

typedef struct survey {
    pl_context cx;
    pl_id calibration;
    pl_landscape *out;
} survey;

size_t pl_landscape_layers(const pl_model *model, size_t layer, bool every_layer, size_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        if (every_layer || pl_model_layer(model, i)->role == pl_model_layer(model, layer)->role) {
            out[n++] = i;
        }
    }
    return n;
}

static pl_status choose_survey_layers(const survey *s, size_t layer, bool every_layer,
                                      pl_error *err)
{
    const pl_model *model = s->cx.state->source->model;
    const size_t count = pl_model_layer_count(model);
    s->out->layers = pl_alloc(count, sizeof *s->out->layers);
    s->out->values = pl_alloc(count * PL_LANDSCAPE_COLS, sizeof *s->out->values);
    s->out->tokens = pl_alloc(count * PL_LANDSCAPE_COLS, sizeof *s->out->tokens);
    if (s->out->layers == NULL || s->out->values == NULL || s->out->tokens == NULL) {
        return pl_error_memory(err, "a landscape");
    }
    s->out->n = pl_landscape_layers(model, layer, every_layer, s->out->layers);
    for (size_t i = 0; i < s->out->n * PL_LANDSCAPE_COLS; i++) {
        s->out->values[i] = NAN;
        s->out->tokens[i] = 0;
    }
    return PL_OK;
}

/* The columns span the positions of the selected layer's stored tokens. */
static pl_status span_columns(const survey *s, size_t layer, pl_error *err)
{
    pl_site_stats stats = {0};
    const size_t site = pl_model_layer(s->cx.state->source->model, layer)->site;
    pl_status status =
        pl_lab_load_site(s->cx, s->calibration, site, PL_GRAM_NONE, true, &stats, err);
    if (status == PL_OK && stats.sample_rows == 0) {
        status = pl_error_set(err, PL_ERR_STATE, "%s: no rows of its input are stored",
                              pl_model_layer(s->cx.state->source->model, layer)->name);
    }
    if (status == PL_OK) {
        size_t last = 0;
        for (size_t i = 0; i < stats.sample_rows; i++) {
            last = stats.sample_position[i] > last ? stats.sample_position[i] : last;
        }
        s->out->cols =
            stats.sample_rows < PL_LANDSCAPE_COLS ? stats.sample_rows : (size_t)PL_LANDSCAPE_COLS;
        s->out->step = ceil((double)(last + 1) / (double)s->out->cols);
        s->out->cols = (size_t)ceil((double)(last + 1) / s->out->step);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

/* What the layer's result was made with: its transform, NULL where it had none, and its range. */
static pl_status read_transform(const survey *s, size_t layer, pl_id result, pl_transform **out,
                                pl_act_range *range, pl_error *err)
{
    pl_result parts;
    *out = NULL;
    *range = (pl_act_range){NAN, NAN};
    pl_status status = pl_result_read(s->cx.lab, s->cx.state, layer, result, &parts, NULL, err);
    if (status != PL_OK) { /* gone: its weights, which are read next, say so */
        return status == PL_ERR_FORMAT || status == PL_ERR_NOT_FOUND ? PL_OK : status;
    }
    *range = parts.range;
    return !parts.has_transform ||
                   pl_transform_read(s->cx.lab, s->cx.state, layer, parts.transform, out) == PL_OK
               ? PL_OK
               : pl_error_set(err, PL_ERR_STATE,
                              "a transform has gone from the store: solve the layers again");
}

/* x <- Q(x T) T^-1, all rows at once. */
static pl_status quantize_turned(const survey *s, const pl_transform *t, pl_act_range range,
                                 const pl_site_stats *stats, pl_mat *x, pl_error *err)
{
    const pl_act_grid *grid = &s->cx.state->activations;
    pl_status status = PL_OK;
    if (grid->bits == 0) {
        return PL_OK;
    }
    if (grid->fixed && isnan(range.lo)) {
        status = pl_outputs_range(t, stats, &range, s->cx.task, err);
    }
    return status == PL_OK
               ? pl_outputs_round_trip(grid, t, range, x->data, x->rows, x->cols, s->cx.task, err)
               : status;
}

/* lost[rows] and the sum of ||y||^2. */
static pl_status measure_rows(const float *x, const float *quantized, size_t rows, const pl_mat *w0,
                              const pl_mat *w, double *lost, double *energy, pl_task *task,
                              pl_error *err)
{
    const size_t n = w0->cols, m = w0->rows;
    float *y = pl_alloc(2 * PIECE * m, sizeof *y);
    if (y == NULL) {
        return pl_error_memory(err, "outputs of %zu rows", rows);
    }
    float *used = y + PIECE * m;
    pl_status status = PL_OK;
    *energy = 0.0;
    for (size_t first = 0; status == PL_OK && first < rows; first += PIECE) {
        const size_t count = rows - first < PIECE ? rows - first : PIECE;
        status = pl_gemm_nt_tick(count, m, n, x + first * n, n, w0->data, n, y, m, task, err);
        PL_THEN(
            pl_gemm_nt_tick(count, m, n, quantized + first * n, n, w->data, n, used, m, task, err));
        for (size_t r = 0; status == PL_OK && r < count; r++) {
            lost[first + r] = 0.0;
            for (size_t j = 0; j < m; j++) {
                const double was = (double)y[r * m + j];
                const double gone = was - (double)used[r * m + j];
                lost[first + r] += gone * gone;
                *energy += was * was;
            }
        }
    }
    free(y);
    return status;
}

static void put_landscape_row(const survey *s, size_t index, const pl_site_stats *stats,
                              const double *lost, double energy)
{
    float *cells = s->out->values + index * PL_LANDSCAPE_COLS;
    uint32_t *tokens = s->out->tokens + index * PL_LANDSCAPE_COLS;
    const double mean = energy / (double)stats->sample_rows;
    for (size_t r = 0; r < stats->sample_rows && mean > 0.0; r++) {
        const size_t c = (size_t)((double)stats->sample_position[r] / s->out->step);
        const float value = (float)(lost[r] / mean);
        if (c < s->out->cols && (isnan(cells[c]) || value > cells[c])) {
            cells[c] = value;
            tokens[c] = stats->sample_position[r];
        }
    }
    s->out->solved++;
}

static pl_status measure_layer(const survey *s, size_t index, pl_id result, pl_error *err)
{
    const size_t layer = s->out->layers[index];
    const pl_layer *info = pl_model_layer(s->cx.state->source->model, layer);
    pl_transform *t = NULL;
    pl_act_range range;
    pl_site_stats stats = {0};
    pl_mat w0 = {0}, w = {0}, x = {0};
    double *lost = NULL, energy = 0.0;
    pl_status status = read_transform(s, layer, result, &t, &range, err);
    PL_THEN(pl_lab_load_site(s->cx, s->calibration, info->site, PL_GRAM_NONE, true, &stats, err));
    PL_THEN(pl_mat_copy(&x, (pl_view){stats.sample, stats.sample_rows, stats.n, stats.n}, err));
    PL_THEN(pl_weights_make((pl_context){s->cx.lab, s->cx.state, NULL}, layer,
                            (pl_weights_of){.which = PL_WHICH_BEFORE}, &w0, err));
    PL_THEN(pl_weights_make((pl_context){s->cx.lab, s->cx.state, NULL}, layer,
                            (pl_weights_of){.which = PL_WHICH_AFTER}, &w, err));
    PL_THEN(quantize_turned(s, t, range, &stats, &x, err));
    if (status == PL_OK && (lost = pl_alloc(stats.sample_rows, sizeof *lost)) == NULL) {
        status = pl_error_memory(err, "%s", info->name);
    }
    if (status == PL_OK && stats.sample_rows > 0) {
        status = measure_rows(stats.sample, x.data, stats.sample_rows, &w0, &w, lost, &energy,
                              s->cx.task, err);
    }
    if (status == PL_OK) {
        put_landscape_row(s, index, &stats, lost, energy);
    }
    free(lost);
    pl_mat_deinit(&w0);
    pl_mat_deinit(&w);
    pl_mat_deinit(&x);
    pl_site_stats_deinit(&stats);
    pl_transform_destroy(t);
    return status;
}

/* Rows lie PL_LANDSCAPE_COLS apart while they are made. */
static void close_up(pl_landscape *out)
{
    for (size_t i = 0; i < out->n; i++) {
        memmove(out->values + i * out->cols, out->values + i * PL_LANDSCAPE_COLS,
                out->cols * sizeof *out->values);
        memmove(out->tokens + i * out->cols, out->tokens + i * PL_LANDSCAPE_COLS,
                out->cols * sizeof *out->tokens);
    }
}

pl_status pl_landscape_load(pl_context cx, pl_id calibration, size_t layer, bool every_layer,
                            pl_landscape *out, pl_error *err)
{
    *out = (pl_landscape){0};
    const survey s = {cx, calibration, out};
    pl_status status = choose_survey_layers(&s, layer, every_layer, err);
    PL_THEN(span_columns(&s, layer, err));
    for (size_t i = 0; status == PL_OK && i < out->n; i++) {
        const pl_id *result = pl_state_result(cx.state, out->layers[i]);
        if (result != NULL) {
            status = measure_layer(&s, i, *result, err);
        }
        pl_task_progress(cx.task, "layers", (double)(i + 1), (double)out->n);
    }
    if (status == PL_OK && out->solved == 0) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "no layer of the landscape is solved: `solve all` solves them");
    }
    if (status == PL_OK) {
        close_up(out);
    } else {
        pl_landscape_deinit(out);
    }
    return status;
}
