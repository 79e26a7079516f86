/* The hard layers of methods.md 2.2 (massive activations, a nearly singular Gram matrix): what gap
 * 20 and 200 ADMM iterations leave, and what it takes until every row is certified within 1e-3. */
#include "core/solve/linf.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

static pl_linf_report solve(const bench_layer *layer, double beta, int iterations, double gap)
{
    pl_error err = {0};
    pl_linf_report report;
    size_t groups = (layer->w.cols + 127) / 128;
    float *alpha = malloc(groups * sizeof *alpha);
    float *w = malloc(layer->w.rows * layer->w.cols * sizeof *w);
    if (alpha == NULL || w == NULL) {
        bench_fail(layer->name, NULL);
    }
    pl_factors_alpha(layer->factors, 128, alpha);
    const pl_linf_problem problem = {
        .w0 = pl_mat_view(&layer->w), .group_size = 128, .alpha = alpha, .beta = beta};
    const pl_linf_options options = {
        .solver = PL_SOLVER_ADMM, .iterations = iterations, .gap = gap, .certify = true};
    if (pl_linf_solve(layer->factors, &problem, &options, NULL, w, &report, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    free(alpha);
    free(w);
    return report;
}

int main(void)
{
    static const char *const names[] = {"0.o_proj", "11.down_proj", "28.down_proj", "29.down_proj"};
    static const double betas[] = {3e-5, 3e-4, 3e-3};
    bench_threads();
    if (!bench_have_model()) {
        bench_print(json_pack("{s:s, s:s}", "bench", "hard", "skipped",
                              "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bench_layer layer;
        bench_layer_load(names[i], &layer);
        for (size_t b = 0; b < sizeof betas / sizeof betas[0]; b++) {
            pl_linf_report few = solve(&layer, betas[b], 20, 0.0);
            pl_linf_report many = solve(&layer, betas[b], 200, 0.0);
            const double start = bench_now();
            pl_linf_report near = solve(&layer, betas[b], 2000, 1e-3);
            const double seconds = bench_now() - start;
            /* The lower bound of the longer run bounds the shorter one's excess, too. */
            bench_print(json_pack(
                "{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:f, s:f, s:f}", "bench",
                "hard", "layer", layer.name, "beta", betas[b], "gap_20", few.gap,
                "worst_row_gap_20", few.worst_row_gap, "gap_200", many.gap, "worst_row_gap_200",
                many.worst_row_gap, "excess_20", (few.objective - many.dual) / many.dual,
                "objective_20_over_200", few.objective / many.objective, "ridge", many.ridge,
                "iterations_1e-3", near.iterations, "mean_over_rows_1e-3", near.mean_iterations,
                "worst_row_gap_1e-3", near.worst_row_gap, "seconds_1e-3", seconds));
        }
        bench_layer_deinit(&layer);
    }
    return 0;
}
