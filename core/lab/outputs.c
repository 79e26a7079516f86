#include "core/lab/outputs.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 256 }; /* rows of X at a time */

pl_status pl_outputs_range(const pl_transform *transform, const pl_site_stats *stats,
                           pl_act_range *out, pl_task *task, pl_error *err)
{
    const size_t rows = stats->sample_rows, n = stats->n;
    pl_mat x = {0};
    pl_status status = PL_OK;
    *out = pl_act_row_range(stats->sample, rows * n);
    if (transform != NULL && rows > 0) {
        status = pl_mat_copy(&x, (pl_view){stats->sample, rows, n, n}, err);
        PL_THEN(pl_transform_inputs(transform, x.data, rows, task, err));
        if (status == PL_OK) {
            *out = pl_act_row_range(x.data, rows * n);
        }
    }
    pl_mat_deinit(&x);
    return status;
}

/* In place x[rows, n] <- Q(x), x in the coordinates of the transform (NULL: the site's own), whose
 * learned clipping counts; range: as above, read where the grid is `fixed`. */
static void quantize_inputs(const pl_act_grid *grid, const pl_transform *transform,
                            pl_act_range range, float *x, size_t rows, size_t n)
{
    const pl_act_range *clip = transform != NULL ? pl_transform_clip(transform) : NULL;
    if (grid->bits > 0 && grid->fixed) {
        const pl_act_range share = pl_act_share(grid, clip);
        range.lo *= share.lo;
        range.hi *= share.hi;
        pl_act_quantize_fixed(grid, range, x, rows, n);
    } else if (grid->bits > 0) {
        pl_act_quantize(grid, clip, x, rows, n);
    }
}

pl_status pl_outputs_round_trip(const pl_act_grid *grid, const pl_transform *transform,
                                pl_act_range range, float *x, size_t rows, size_t n, pl_task *task,
                                pl_error *err)
{
    pl_status status =
        transform != NULL ? pl_transform_inputs(transform, x, rows, task, err) : PL_OK;
    if (status != PL_OK) {
        return status;
    }
    quantize_inputs(grid, transform, range, x, rows, n);
    return transform != NULL ? pl_transform_inputs_back(transform, x, rows, task, err) : PL_OK;
}

typedef struct sums {
    double lost, energy;  /* squares */
    double moved, output; /* maxima */
} sums;

/* y and two versions of it, [count]. */
static void add_piece(const float *y, const float *turned, const float *used, size_t count,
                      sums *all)
{
    for (size_t i = 0; i < count; i++) {
        const double was = (double)y[i], lost = was - (double)used[i];
        all->lost += lost * lost;
        all->energy += was * was;
        all->output = fmax(all->output, fabs(was));
        all->moved = fmax(all->moved, turned != NULL ? fabs(was - (double)turned[i]) : 0.0);
    }
}

/* Rows of X, X T and Q(X T) through W, W T^-T and what is used. */
static pl_status run_rows(const pl_outputs_request *r, const float *x, const float *turned,
                          const float *quantized, size_t rows, sums *all, pl_error *err)
{
    pl_task *task = r->cx.task;
    const size_t n = r->w0.cols, out = r->w0.rows;
    float *y = pl_alloc(3 * PIECE * out, sizeof *y);
    if (y == NULL) {
        return pl_error_memory(err, "outputs of %zu rows", rows);
    }
    float *moved = y + PIECE * out, *used = moved + PIECE * out;
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < rows; first += PIECE) {
        const size_t count = rows - first < PIECE ? rows - first : PIECE;
        status = pl_gemm_nt_tick(count, out, n, x + first * n, n, r->w0.data, r->w0.stride, y, out,
                                 task, err);
        if (status == PL_OK && r->transform != NULL) {
            status = pl_gemm_nt_tick(count, out, n, turned + first * n, n, r->turned.data,
                                     r->turned.stride, moved, out, task, err);
        }
        PL_THEN(pl_gemm_nt_tick(count, out, n, quantized + first * n, n, r->used.data,
                                r->used.stride, used, out, task, err));
        if (status == PL_OK) {
            add_piece(y, r->transform != NULL ? moved : NULL, used, count * out, all);
        }
    }
    free(y);
    return status;
}

/* X T and Q(X T), in *turned and *quantized where they differ from what they are made of, and the
 * range of X T. */
static pl_status make_turned_inputs(const pl_outputs_request *r, pl_view x, pl_mat *turned,
                                    pl_mat *quantized, pl_act_range *range, pl_error *err)
{
    const pl_act_grid *grid = &r->cx.state->activations;
    pl_status status = PL_OK;
    if (r->transform != NULL) {
        status = pl_mat_copy(turned, x, err);
        PL_THEN(pl_transform_inputs(r->transform, turned->data, x.rows, r->cx.task, err));
    }
    const pl_view xt = r->transform != NULL ? pl_mat_view(turned) : x;
    if (status == PL_OK) {
        *range = pl_act_row_range(xt.data, xt.rows * xt.cols);
    }
    if (status == PL_OK && grid->bits > 0) {
        status = pl_mat_copy(quantized, xt, err);
        if (status == PL_OK) {
            quantize_inputs(grid, r->transform, *range, quantized->data, x.rows, x.cols);
        }
    }
    return status;
}

static pl_status measure_sample(const pl_outputs_request *r, const pl_site_stats *stats,
                                pl_outputs *out, pl_error *err)
{
    const size_t n = r->w0.cols;
    pl_mat turned = {0}, quantized = {0};
    sums all = {0};
    const pl_view x = {stats->sample, stats->sample_rows, n, n};
    pl_status status = make_turned_inputs(r, x, &turned, &quantized, &out->range, err);
    if (status == PL_OK) {
        const float *xt = turned.data != NULL ? turned.data : x.data;
        out->before = pl_describe(x);
        out->after = r->transform != NULL ? pl_describe(pl_mat_view(&turned)) : out->before;
        status = run_rows(r, x.data, xt, quantized.data != NULL ? quantized.data : xt, x.rows, &all,
                          err);
    }
    if (status == PL_OK) {
        out->function_error = all.output > 0.0 ? all.moved / all.output : 0.0;
        out->output_error = all.energy > 0.0 ? all.lost / all.energy : 0.0;
    }
    pl_mat_deinit(&turned);
    pl_mat_deinit(&quantized);
    return status;
}

pl_status pl_outputs_measure(const pl_outputs_request *r, pl_outputs *out, pl_error *err)
{
    static const pl_tensor_numbers unknown = {.kurtosis = (double)NAN, .flatness = (double)NAN};
    *out = (pl_outputs){NAN, NAN, NAN, unknown, unknown, {NAN, NAN}};
    pl_site_stats stats = {0};
    const size_t site = pl_model_layer(r->cx.state->source->model, r->layer)->site;
    pl_status status =
        pl_lab_load_site(r->cx, r->calibration, site, PL_GRAM_NONE, true, &stats, err);
    if (status == PL_OK && stats.sample_rows > 0) {
        out->condition = 1.0;
        if (r->transform != NULL) {
            status = pl_transform_condition(r->transform, &out->condition, err);
        }
        PL_THEN(measure_sample(r, &stats, out, err));
    }
    pl_site_stats_deinit(&stats);
    return status;
}
