/* A rounder: to nearest, in a range of which a share is kept. */
#include "core/method/method_parts.h"

#include <math.h>
#include <stdlib.h>

enum { KEPT = PL_GRID_COUNT, PARAMS };
static const pl_param params[PARAMS] = {
    PL_GRID_PARAMS,
    [KEPT] = PL_REAL("kept", 0.1, 1.0, 0.9, "", "What is kept of each group's range.", .step = 0.1),
};

enum { CLIPPED, REPORTED };
static const pl_reported reported[REPORTED] = {
    [CLIPPED] = {.name = "clipped",
                 .unit = "weights",
                 .help = "How many were outside of the range.",
                 .whole = true,
                 .told = true},
};

static size_t round_group(const pl_grid *grid, double kept, const float *w, size_t count,
                          pl_grid_param *param, int16_t *codes)
{
    float most = 0.0f;
    size_t clipped = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmaxf(most, fabsf(w[i]));
    }
    const double end = kept * (double)most;
    if (most > 0.0f) {
        const pl_scaling scaling = {grid->scale_dtype, grid->scale_mode, grid->most};
        *param = grid->format->fit(grid->bits, &scaling, -end, end);
    }
    pl_grid_codes(grid, *param, w, count, codes);
    for (size_t i = 0; i < count; i++) {
        clipped += fabs((double)w[i]) > end;
    }
    return clipped;
}

static pl_status quantize(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                          pl_method_report *report, pl_task *task, pl_error *err)
{
    const pl_grid grid = pl_spec_grid(spec);
    const size_t n = in->w.cols, width = grid.group_size == 0 ? n : grid.group_size;
    *out = (pl_qweights){0};
    *report = pl_method_report_empty();
    report->own[CLIPPED] = 0.0;
    pl_status status = pl_check_layer(in, err);
    if (status == PL_OK) {
        status = pl_qweights_init(out, &grid, in->w.rows, n, err);
    }
    for (size_t r = 0; status == PL_OK && r < in->w.rows; r++) {
        for (size_t k = 0, first = 0; first < n; k++, first += width) {
            const size_t size = n - first < width ? n - first : width;
            pl_grid_param param = {1.0f, 0};
            const float *w = in->w.data + r * in->w.stride + first;
            const size_t clipped =
                round_group(&grid, spec->values[KEPT], w, size, &param, out->codes + r * n + first);
            report->own[CLIPPED] += (double)clipped;
            out->scales[r * out->groups + k] = param.scale;
            out->zeros[r * out->groups + k] = (int16_t)param.zero;
        }
        if (in->watch != NULL) {
            in->watch->done(in->watch->ctx, r, 1);
        }
        status = pl_task_tick(task, err);
    }
    if (status != PL_OK) {
        pl_qweights_deinit(out);
    }
    return status;
}

const pl_method pl_method_toy = {
    .name = "toy",
    .slot = PL_SLOT_ROUND,
    .summary = "To nearest in a range that is cut.",
    .params = params,
    .n_params = PARAMS,
    .reported = reported,
    .n_reported = REPORTED,
    .blind = true,
    .round = quantize,
};
