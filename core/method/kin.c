#include "core/method/kin.h"

#include "core/base/checked.h"
#include "core/tensor/groups.h"

#include <stdlib.h>

const char *const pl_kin_orders[4] = {"no", "yes", "group", NULL};
enum { IN_ORDER, FALLING, BY_GROUP };

const pl_reported pl_kin_reported[PL_KIN_REPORTED] = {
    [PL_KIN_DAMPING_USED] = {.name = "damping_used",
                             .unit = "mean diag H",
                             .help = "The damping with which the Cholesky factorization succeeded.",
                             .told = true},
    [PL_KIN_DEAD_COLUMNS] = {.name = "dead_columns",
                             .unit = "columns",
                             .help = "Input channels that are always 0, whose weights become 0.",
                             .whole = true},
};

/* As pl_factors_order has it. */
static size_t order_of(const pl_kin *kin, const pl_spec *spec, const pl_layer_input *in)
{
    const pl_grid grid = pl_spec_grid(spec);
    return kin->order == FALLING    ? PL_ORDER_FALLING
           : kin->order == BY_GROUP ? pl_group_width(pl_factors_n(in->factors), grid.group_size)
                                    : PL_ORDER_NONE;
}

pl_status pl_kin_prepare(const pl_kin *kin, const pl_spec *spec, const pl_layer_input *in,
                         pl_task *task, pl_error *err)
{
    pl_gptq_factor factor;
    return pl_factors_gptq(in->factors, kin->damping, order_of(kin, spec, in), &factor, task, err);
}

/* What an error of each column weighs where a scale is searched: 1 / U_ii^2 is what remains of its
 * energy once the columns behind have made up for what they can.  *out is the caller's. */
static pl_status make_column_weights(const pl_columns *job, float **out, pl_error *err)
{
    const size_t n = job->w.cols;
    *out = pl_alloc(n, sizeof **out);
    for (size_t i = 0; *out != NULL && i < n; i++) {
        const float u = job->u[i * n + i];
        (*out)[job->perm != NULL ? job->perm[i] : i] = 1.0f / (u * u);
    }
    return *out != NULL ? PL_OK : pl_error_memory(err, "weights of %zu channels", n);
}

static pl_status round_held(const pl_kin *kin, const pl_spec *spec, const pl_layer_input *in,
                            pl_qweights *out, pl_method_report *report, pl_task *task,
                            pl_error *err)
{
    pl_grid grid = pl_spec_grid(spec);
    const size_t n = in->w.cols, order = order_of(kin, spec, in);
    pl_grid_begin_of(&grid, in);
    pl_gptq_factor factor = {0};
    const bool shared = pl_grid_block_rows(&grid) > 1; /* known before any update */
    pl_columns job = {
        .w = in->w, .static_groups = kin->static_groups || shared, .watch = in->watch, .out = out};
    float *owned[2] = {NULL, NULL}, *weights = NULL, *blocks = NULL;
    pl_status status = pl_factors_gptq(in->factors, kin->damping, order, &factor, task, err);
    job.u = factor.u;
    job.dead = factor.dead;
    PL_THEN(pl_grid_blocks(&grid, in->w, job.dead, &blocks, err));
    job.blocks = blocks;
    PL_THEN(pl_factors_order(in->factors, order, &job.perm, err));
    PL_THEN(pl_qweights_init(out, &grid, in->w.rows, n, err));
    for (size_t i = 0; status == PL_OK && kin->order == FALLING && !job.static_groups && i < n;
         i++) {
        out->group_of[job.perm[i]] = (uint32_t)(i / pl_group_width(n, grid.group_size));
    }
    if (status == PL_OK && grid.weighted) {
        status = make_column_weights(&job, &weights, err);
        job.weights = weights;
    }
    if (status == PL_OK && kin->begin != NULL) {
        status = kin->begin(kin, spec, in, order, &job, owned, task, err);
    }
    if (status == PL_OK) {
        report->own[PL_KIN_DAMPING_USED] = factor.used;
        report->own[PL_KIN_DEAD_COLUMNS] = 0.0;
        for (size_t i = 0; i < n; i++) {
            report->own[PL_KIN_DEAD_COLUMNS] += factor.dead[i] ? 1.0 : 0.0;
        }
        status = pl_columns_round(&job, task, err);
    }
    free(weights);
    free(blocks);
    free(owned[0]);
    free(owned[1]);
    return status;
}

pl_status pl_kin_round(const pl_kin *kin, const pl_spec *spec, const pl_layer_input *in,
                       pl_qweights *out, pl_method_report *report, pl_task *task, pl_error *err)
{
    *out = (pl_qweights){0};
    *report = pl_method_report_empty();
    pl_status status = pl_check_layer(in, err);
    if (status != PL_OK) {
        return status;
    }
    pl_factors_hold(in->factors);
    status = round_held(kin, spec, in, out, report, task, err);
    pl_factors_release(in->factors);
    if (status != PL_OK) {
        pl_qweights_deinit(out);
    }
    return status;
}
