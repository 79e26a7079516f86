#include "core/base/checked.h"
#include "core/method/method_parts.h"

#include <stdlib.h>

static const pl_param params[PL_GRID_COUNT] = {PL_GRID_PARAMS};

/* Weights of one step of the worker, by the cost of a plain and of a searched range. */
static const double STEP_WEIGHTS = 4e6, STEP_WEIGHTS_MSE = 4e5;

/* blocks: pl_grid_blocks; weights: of the columns' errors where the range is searched by them, or
 * NULL. */
static void quantize_weight_row(const pl_grid *all, const float *blocks, pl_view w, size_t r,
                                const float *weights, pl_qweights *out)
{
    const size_t width = all->group_size == 0 ? w.cols : all->group_size;
    const float *row = w.data + r * w.stride;
    for (size_t k = 0, first = 0; first < w.cols; k++, first += width) {
        const size_t size = w.cols - first < width ? w.cols - first : width;
        const pl_grid grid = pl_grid_of_block(all, blocks, out->groups, r, k);
        const pl_grid_param param =
            weights != NULL ? pl_grid_fit_weighted(&grid, row + first, weights + first, size)
                            : pl_grid_fit(&grid, row + first, size, 1);
        pl_grid_codes(&grid, param, row + first, size, out->codes + r * w.cols + first);
        out->scales[r * out->groups + k] = param.scale;
        out->zeros[r * out->groups + k] = (int16_t)param.zero;
    }
}

/* *out: diag G, [n], the caller's to free; NULL where the range is not searched by it. */
static pl_status make_gram_weights(const pl_grid *grid, const pl_layer_input *in, float **out,
                                   pl_error *err)
{
    *out = NULL;
    if (!grid->weighted) {
        return PL_OK;
    }
    const pl_sym *gram = pl_factors_gram(in->factors);
    *out = pl_alloc(gram->n, sizeof **out);
    for (size_t i = 0; *out != NULL && i < gram->n; i++) {
        (*out)[i] = pl_sym_row(gram, i)[0];
    }
    return *out != NULL ? PL_OK : pl_error_memory(err, "weights of %zu channels", gram->n);
}

static pl_status round_rtn(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                           pl_method_report *report, pl_task *task, pl_error *err)
{
    pl_grid grid = pl_spec_grid(spec);
    const pl_view w = in->w;
    pl_grid_begin_of(&grid, in);
    *out = (pl_qweights){0};
    *report = pl_method_report_empty();
    pl_status status = pl_check_layer(in, err);
    float *weights = NULL, *blocks = NULL;
    PL_THEN(pl_grid_blocks(&grid, w, NULL, &blocks, err));
    PL_THEN(make_gram_weights(&grid, in, &weights, err));
    PL_THEN(pl_qweights_init(out, &grid, w.rows, w.cols, err));
    const double budget = grid.mse || grid.weighted ? STEP_WEIGHTS_MSE : STEP_WEIGHTS;
    const size_t piece = w.cols > 0 && budget > (double)w.cols ? (size_t)budget / w.cols : 1;
    for (size_t first = 0; status == PL_OK && first < w.rows; first += piece) {
        const size_t end = w.rows - first < piece ? w.rows : first + piece;
#pragma omp parallel for schedule(static)
        for (size_t r = first; r < end; r++) {
            quantize_weight_row(&grid, blocks, w, r, weights, out);
        }
        if (in->watch != NULL) {
            in->watch->done(in->watch->ctx, first, end - first);
        }
        status = pl_task_tick(task, err);
    }
    free(weights);
    free(blocks);
    if (status != PL_OK) {
        pl_qweights_deinit(out);
    }
    return status;
}

const pl_method pl_method_rtn = {
    .name = "rtn",
    .title = "RTN",
    .slot = PL_SLOT_ROUND,
    .summary = "Round to nearest: each group as it stands.",
    .params = params,
    .n_params = PL_GRID_COUNT,
    .blind = true,
    .round = round_rtn,
};
