#include "core/study/basin.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/lab/pipeline.h"
#include "core/lab/results.h"
#include "core/lab/weights.h"
#include "core/metrics/perplexity.h"
#include "core/study/piece.h"
#include "core/study/spectrum.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char KIND[] = "basin";

enum { WINDOWS = 2, MIN_ROWS = 32, SEED = 0x6261736e };

/* What all evaluations of a layer's GEMM may cost together; then fewer rows are used. */
static const double LAYER_FLOPS = 2e12;

/* A model's points stand where its curve bends; a layer's are even. */
static const double model_points[] = {-1.5, -1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0, 1.5};
enum { MODEL_POINTS = sizeof model_points / sizeof model_points[0] };

typedef struct work {
    pl_context cx;
    size_t layer;
    const pl_layer *info;
    pl_mat w0, d, moved; /* d: W - W0 first, then the direction in turn; moved: W0 + t D */
    float *step;         /* [rows, cols]: W - W0 */
    double *lengths;     /* [rows]: its rows' norms */
    pl_spectrum spectrum;
    pl_id calibration, result;
    pl_basin *out;
    pl_piece piece; /* one evaluation */

    /* PL_BASIN_LAYER */
    pl_site_stats stats;
    float *x; /* [rows used, cols], borrowed from stats */
    size_t rows;
    float *y0, *y; /* [rows used, out] */
    double energy; /* ||Y0||^2 */

    /* PL_BASIN_MODEL */
    int32_t *ids;
    size_t n_ids;
    pl_ppl_spec ppl;
} work;

static void work_deinit(work *w)
{
    pl_mat_deinit(&w->w0);
    pl_mat_deinit(&w->d);
    pl_mat_deinit(&w->moved);
    free(w->step);
    free(w->lengths);
    pl_spectrum_deinit(&w->spectrum);
    pl_site_stats_deinit(&w->stats);
    free(w->y0);
    free(w->y);
    free(w->ids);
}

static pl_status no_memory_basin(const work *w, pl_error *err)
{
    return pl_error_memory(err, "the basin of %s", w->info->name);
}

/* --- directions ------------------------------------------------------------------------------- */

/* The layer's result under the present plan, and its weights less the original ones. */
static pl_status find_result(work *w, pl_error *err)
{
    const pl_id *known = pl_state_result(w->cx.state, w->layer);
    if (known != NULL) {
        w->result = *known;
        return PL_OK;
    }
    pl_solve_report report;
    return pl_solve_layer(w->cx, w->layer, &report, &w->result, err);
}

static pl_status find_step(work *w, pl_error *err)
{
    const size_t rows = w->info->rows, cols = w->info->cols;
    bool moved = pl_state_spec(w->cx.state, w->layer, PL_SLOT_PRECONDITION)->method != NULL;
    pl_status status = pl_weights_make((pl_context){w->cx.lab, w->cx.state, NULL}, w->layer,
                                       (pl_weights_of){.which = PL_WHICH_BEFORE}, &w->w0, err);
    PL_THEN(pl_mat_init(&w->d, rows, cols, err));
    PL_THEN(pl_mat_init(&w->moved, rows, cols, err));
    if (status == PL_OK) {
        w->step = pl_alloc(rows * cols, sizeof *w->step);
        w->lengths = pl_alloc(rows, sizeof *w->lengths);
        status = w->step == NULL || w->lengths == NULL ? no_memory_basin(w, err) : PL_OK;
    }
    if (status == PL_OK) {
        const pl_weights_of of = {.which = moved ? PL_WHICH_PRECONDITIONED : PL_WHICH_AFTER,
                                  .result = &w->result};
        status =
            pl_weights_read((pl_context){w->cx.lab, w->cx.state, NULL}, w->layer, of, w->step, err);
    }
    if (status != PL_OK) {
        return status;
    }
    double step = 0.0, size = 0.0;
    for (size_t j = 0; j < rows; j++) {
        double length = 0.0;
        for (size_t i = j * cols; i < (j + 1) * cols; i++) {
            double w0 = (double)w->w0.data[i];
            w->step[i] -= w->w0.data[i];
            length += (double)w->step[i] * (double)w->step[i];
            size += w0 * w0;
        }
        w->lengths[j] = sqrt(length);
        step += length;
    }
    if (!(step > 0.0)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: the solved weights are the original ones: there is no direction "
                            "to follow",
                            w->info->name);
    }
    w->out->norm = sqrt(step / size);
    return PL_OK;
}

/* One row of a direction, scaled to its length. */
static void set_row(work *w, size_t row, const double *v)
{
    const size_t cols = w->info->cols;
    double sum = 0.0;
    for (size_t i = 0; i < cols; i++) {
        sum += v[i] * v[i];
    }
    double scale = w->lengths[row] / sqrt(sum);
    for (size_t i = 0; i < cols; i++) {
        w->d.data[row * cols + i] = (float)(scale * v[i]);
    }
}

static pl_status set_direction(work *w, pl_basin_direction direction, pl_error *err)
{
    const size_t rows = w->info->rows, cols = w->info->cols;
    if (direction == PL_BASIN_SOLVED) {
        memcpy(w->d.data, w->step, rows * cols * sizeof *w->step);
        return PL_OK;
    }
    double *noise = pl_alloc(cols, sizeof *noise);
    if (noise == NULL) {
        return no_memory_basin(w, err);
    }
    pl_rng rng;
    pl_rng_init(&rng, SEED);
    const double *v = direction == PL_BASIN_TOP
                          ? w->spectrum.vectors
                          : w->spectrum.vectors + (2 * w->spectrum.ends - 1) * cols;
    for (size_t j = 0; j < rows; j++) {
        for (size_t i = 0; direction == PL_BASIN_RANDOM && i < cols; i++) {
            noise[i] = pl_rng_normal(&rng);
        }
        set_row(w, j, direction == PL_BASIN_RANDOM ? noise : v);
    }
    free(noise);
    return PL_OK;
}

static void move(work *w, double t)
{
    const size_t count = w->info->rows * w->info->cols;
    const float step = (float)t;
    for (size_t i = 0; i < count; i++) {
        w->moved.data[i] = w->w0.data[i] + step * w->d.data[i];
    }
}

/* --- the layer's loss ------------------------------------------------------------------------- */

/* Rows spread evenly over the sample move to its front. */
static void thin_rows(work *w)
{
    const size_t cols = w->info->cols;
    double flops = 2.0 * (double)w->info->rows * (double)cols * (double)w->piece.total;
    double fit = floor(LAYER_FLOPS / flops);
    size_t all = w->stats.sample_rows;
    w->rows = fit < MIN_ROWS ? MIN_ROWS : fit < (double)all ? (size_t)fit : all;
    w->rows = w->rows < all ? w->rows : all;
    for (size_t r = 0; r < w->rows; r++) {
        memmove(w->stats.sample + r * cols, w->stats.sample + r * all / w->rows * cols,
                cols * sizeof(float));
    }
    w->x = w->stats.sample;
    w->out->rows = w->rows;
    w->out->of_rows = all;
}

static pl_status multiply_weights(work *w, const pl_mat *weights, float *y, pl_error *err)
{
    return pl_gemm_nt_tick(w->rows, w->info->rows, w->info->cols, w->x, w->info->cols,
                           weights->data, w->info->cols, y, w->info->rows, &w->piece.task, err);
}

static pl_status prepare_layer(work *w, pl_error *err)
{
    pl_status status =
        pl_lab_load_site(w->cx, w->calibration, w->info->site, PL_GRAM_NONE, true, &w->stats, err);
    if (status != PL_OK) {
        return status;
    }
    thin_rows(w);
    const size_t count = w->rows * w->info->rows;
    w->y0 = pl_alloc(count, sizeof(float));
    w->y = pl_alloc(count, sizeof(float));
    if (w->y0 == NULL || w->y == NULL) {
        return no_memory_basin(w, err);
    }
    status = multiply_weights(w, &w->w0, w->y0, err);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        w->energy += (double)w->y0[i] * (double)w->y0[i];
    }
    if (status == PL_OK && !(w->energy > 0.0)) {
        status = pl_error_set(err, PL_ERR_NUMERIC, "%s: its output is zero on the stored inputs",
                              w->info->name);
    }
    return status;
}

static pl_status layer_loss(work *w, double *loss, pl_error *err)
{
    pl_status status = multiply_weights(w, &w->moved, w->y, err);
    double sum = 0.0;
    for (size_t i = 0; status == PL_OK && i < w->rows * w->info->rows; i++) {
        double difference = (double)w->y[i] - (double)w->y0[i];
        sum += difference * difference;
    }
    *loss = sum / w->energy;
    return status;
}

/* --- the model's loss ------------------------------------------------------------------------- */

static pl_status moved_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    (void)err;
    const work *w = ctx;
    *provided = layer == w->layer;
    if (*provided) {
        memcpy(out, w->moved.data, w->info->rows * w->info->cols * sizeof *out);
    }
    return PL_OK;
}

/* The text's first windows, copied: an urgent job at a tick may read another text. */
static pl_status prepare_model(work *w, pl_id *text, pl_error *err)
{
    const pl_calibration *calibration = &w->cx.state->calibration;
    const pl_tokens *tokens = NULL;
    pl_status status = pl_lab_tokens(w->cx, (const char *const *)calibration->texts,
                                     calibration->n_texts, &tokens, err);
    if (status != PL_OK) {
        return status;
    }
    const size_t length = calibration->protocol.length, wanted = WINDOWS * length;
    w->n_ids = tokens->count < wanted ? tokens->count : wanted;
    w->ids = pl_alloc(w->n_ids, sizeof *w->ids);
    if (w->ids == NULL) {
        return no_memory_basin(w, err);
    }
    memcpy(w->ids, tokens->ids, w->n_ids * sizeof *w->ids);
    *text = pl_perplexity_text(w->cx.state->source->model, w->ids, w->n_ids);
    w->ppl = (pl_ppl_spec){.protocol = PL_PPL_GPTQ,
                           .length = length,
                           .windows = w->n_ids / length < WINDOWS ? 1 : WINDOWS,
                           .memory_limit = pl_lab_memory_limit(w->cx.lab)};
    w->out->rows = w->out->of_rows = w->ppl.windows * (length - 1);
    return PL_OK;
}

static pl_status model_loss(work *w, double *loss, pl_error *err)
{
    pl_hooks hooks = {.ctx = w, .weight = moved_weight};
    pl_ppl_result found = {0};
    pl_status status = pl_perplexity(w->cx.state->source->model, w->ids, w->n_ids, &w->ppl, &hooks,
                                     false, &found, &w->piece.task, err);
    *loss = found.mean_nll;
    return status;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void set_points(pl_basin *out, pl_basin_loss loss)
{
    out->points = loss == PL_BASIN_MODEL ? MODEL_POINTS : PL_BASIN_POINTS;
    for (size_t i = 0; i < out->points; i++) {
        out->t[i] = loss == PL_BASIN_MODEL ? model_points[i] : ((double)i - 15.0) / 10.0;
    }
}

static pl_status evaluate_directions(work *w, pl_basin_loss loss, pl_error *err)
{
    pl_basin *out = w->out;
    double centre = NAN; /* all directions meet at t = 0 */
    for (size_t d = 0; d < PL_BASIN_DIRECTIONS; d++) {
        pl_status status = set_direction(w, (pl_basin_direction)d, err);
        for (size_t i = 0; status == PL_OK && i < out->points; i++) {
            bool zero = !(out->t[i] < 0.0 || out->t[i] > 0.0);
            out->loss[d][i] = centre;
            if (!zero || isnan(centre)) {
                move(w, out->t[i]);
                status = loss == PL_BASIN_MODEL ? model_loss(w, &out->loss[d][i], err)
                                                : layer_loss(w, &out->loss[d][i], err);
            }
            if (status == PL_OK && !isfinite(out->loss[d][i])) {
                status = pl_error_set(err, PL_ERR_NUMERIC, "%s: the loss is not finite at t = %g",
                                      w->info->name, out->t[i]);
            }
            centre = zero ? out->loss[d][i] : centre;
            pl_piece_step(&w->piece);
        }
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

static pl_status make_key(const work *w, pl_basin_loss loss, pl_id text, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_id spectrum = {0}, weight = {0};
    pl_status status = pl_spectrum_key(w->calibration, w->info->site, &spectrum, err);
    PL_THEN(loss == PL_BASIN_MODEL
                ? pl_model_identity(w->cx.state->source->model, &weight, w->cx.task, err)
                : pl_model_layer_identity(w->cx.state->source->model, w->layer, &weight, w->cx.task,
                                          err));
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish basin 2");
        pl_hasher_u64(hasher, (uint64_t)loss);
        pl_hasher_u64(hasher, (uint64_t)w->layer);
        pl_hasher_id(hasher, weight);
        pl_hasher_id(hasher, w->result);
        pl_hasher_id(hasher, spectrum);
        pl_hasher_id(hasher, text);
        pl_hasher_u64(hasher, (uint64_t)w->ppl.length);
        pl_hasher_u64(hasher, (uint64_t)w->ppl.windows);
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

static pl_status read_basin(pl_store *store, pl_id key, pl_basin *out)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(store, KIND, key, &entry, NULL);
    if (status == PL_OK) {
        pl_basin found;
        status = pl_entry_read(entry, "basin", &found, sizeof found, NULL);
        if (status == PL_OK && found.points != out->points) {
            status = PL_ERR_FORMAT;
        }
        if (status == PL_OK) {
            *out = found;
        }
    }
    pl_entry_close(entry);
    return status;
}

static pl_status write_basin(pl_store *store, pl_id key, const work *w, pl_error *err)
{
    json_t *about =
        json_pack("{s:s, s:s, s:s, s:i}", "holds", "the loss around a layer's weights", "layer",
                  w->info->name, "version", PL_VERSION, "threads", pl_linalg_threads());
    if (about == NULL) {
        return no_memory_basin(w, err);
    }
    const pl_section section = {"basin", w->out, sizeof *w->out};
    pl_status status = pl_store_replace(store, KIND, key, about, &section, 1, err);
    json_decref(about);
    return status;
}

static pl_status compute_basin(work *w, pl_basin_loss loss, pl_error *err)
{
    pl_status status = find_step(w, err);
    PL_THEN(pl_spectrum_load(w->cx, w->calibration, w->info->site, &w->spectrum, err));
    if (status == PL_OK && w->spectrum.ends == 0) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s: one input channel has no directions to compare", w->info->name);
    }
    if (status == PL_OK) {
        w->out->top = 1.0;
        w->out->tail = w->spectrum.values[w->spectrum.n - 1] / w->spectrum.values[0];
        status = loss == PL_BASIN_LAYER ? prepare_layer(w, err) : PL_OK;
    }
    return status == PL_OK ? evaluate_directions(w, loss, err) : status;
}

pl_status pl_basin_load(pl_context cx, size_t layer, pl_basin_loss loss, pl_basin *out,
                        pl_error *err)
{
    memset(out, 0, sizeof *out); /* stored as bytes, padding too */
    set_points(out, loss);
    work w = {.cx = cx,
              .layer = layer,
              .info = pl_model_layer(cx.state->source->model, layer),
              .out = out};
    pl_piece_init(&w.piece, cx.task, "points", PL_BASIN_DIRECTIONS * out->points);
    pl_id key = {0}, text = {0};
    pl_status status = pl_lab_calibration(cx, &w.calibration, err);
    PL_THEN(find_result(&w, err));
    if (status == PL_OK && loss == PL_BASIN_MODEL) {
        status = prepare_model(&w, &text, err);
    }
    PL_THEN(make_key(&w, loss, text, &key, err));
    if (status == PL_OK && read_basin(pl_lab_store(cx.lab), key, out) != PL_OK) {
        status = compute_basin(&w, loss, err);
        PL_THEN(write_basin(pl_lab_store(cx.lab), key, &w, err));
    }
    work_deinit(&w);
    return status;
}
