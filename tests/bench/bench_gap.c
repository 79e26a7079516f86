/* How many iterations, and how long, until every row is certified within 1e-3 of its optimum: the
 * automatic choice of rho against plain ADMM with one rho, the mean of Gn's diagonal.  Every layer
 * of SmolLM2, a stratified sample of its rows; both in turns, iterations and certificates only.
 * Factors are ready; what they cost is reported apart. */
#include "core/model/model.h"
#include "core/solve/linf.h"
#include "tests/bench/bench.h"
#include "tests/support/rising.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, GROUP = 128, MOST = 400, PLAIN_MOST = 200, BETAS = 3, LAYERS = 256 };

static const double GAP = 1e-3, betas[BETAS] = {3e-5, 3e-4, 3e-3};

/* rho_factor of the two. */
static const double factors_of[2] = {0.0, 1.0};

typedef struct outcome {
    double iterations, mean, gap, worst, seconds, factor_seconds;
} outcome;

static struct {
    outcome found[LAYERS][2];
    char name[LAYERS][64];
} results[BETAS];

static pl_mat sample_rows(const bench_layer *layer)
{
    pl_error err = {0};
    const size_t n = layer->w.cols, rows = layer->w.rows < ROWS ? layer->w.rows : ROWS;
    pl_mat w = {0};
    if (pl_mat_init(&w, rows, n, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    for (size_t r = 0; r < rows; r++) {
        const size_t from = (2 * r + 1) * layer->w.rows / (2 * rows);
        memcpy(w.data + r * n, layer->w.data + from * n, n * sizeof *w.data);
    }
    return w;
}

static void solve(const bench_layer *layer, const pl_linf_problem *problem, int kind, float *w,
                  outcome *out)
{
    pl_error err = {0};
    pl_linf_report report;
    const pl_linf_options options = {.solver = PL_SOLVER_ADMM,
                                     .iterations = kind == 0 ? MOST : PLAIN_MOST,
                                     .gap = GAP,
                                     .rho_factor = factors_of[kind],
                                     .certify = true};
    const double start = bench_now();
    if (pl_linf_solve(layer->factors, problem, &options, NULL, w, &report, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    out->seconds = bench_now() - start;
    out->iterations = report.iterations;
    out->mean = report.mean_iterations;
    out->gap = report.gap;
    out->worst = report.worst_row_gap;
}

static void measure(const bench_layer *layer, size_t at)
{
    pl_error err = {0};
    float alpha[64];
    pl_mat rows = sample_rows(layer), w = {0};
    if (pl_mat_init(&w, rows.rows, rows.cols, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    pl_factors_alpha(layer->factors, GROUP, alpha);
    for (int b = 0; b < BETAS; b++) {
        const pl_linf_problem problem = {.w0 = pl_mat_view(&rows),
                                         .group_size = GROUP,
                                         .alpha = alpha,
                                         .beta = betas[b],
                                         .whole = pl_mat_view(&layer->w)};
        outcome *found = results[b].found[at];
        snprintf(results[b].name[at], sizeof results[b].name[at], "%s", layer->name);
        for (int kind = 0; kind < 2; kind++) {
            const double start = bench_now();
            if (pl_linf_prepare(layer->factors, &problem, factors_of[kind], NULL, &err) != PL_OK) {
                bench_fail(layer->name, &err);
            }
            found[kind].factor_seconds = bench_now() - start;
        }
        for (int turn = 0; turn < 2; turn++) {
            const int kind = (turn + (int)at) % 2; /* neither always goes first */
            solve(layer, &problem, kind, w.data, &found[kind]);
        }
    }
    pl_mat_deinit(&rows);
    pl_mat_deinit(&w);
}

static double middle(double *values, size_t count)
{
    qsort(values, count, sizeof *values, rising_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void report(int b, size_t count)
{
    double ratio[LAYERS], its[2][LAYERS], most = 0, worst = 0, mean = 0;
    int within[2] = {0};
    size_t slowest = 0;
    for (size_t i = 0; i < count; i++) {
        const outcome *found = results[b].found[i];
        for (int kind = 0; kind < 2; kind++) {
            its[kind][i] = found[kind].iterations;
            within[kind] += found[kind].gap <= GAP;
        }
        ratio[i] = found[1].seconds / found[0].seconds;
        worst = found[0].worst > worst ? found[0].worst : worst;
        if (found[0].iterations > most) {
            most = found[0].iterations;
            slowest = i;
        }
        mean = found[0].mean > mean ? found[0].mean : mean;
    }
    bench_print(json_pack("{s:s, s:f, s:I, s:f, s:f, s:f, s:f, s:s, s:f, s:f, s:f, s:f}", "bench",
                          "gap", "beta", betas[b], "layers", (json_int_t)count, "share_within_1e-3",
                          (double)within[0] / (double)count, "worst_row_gap", worst,
                          "iterations_median", middle(its[0], count), "iterations_most", most,
                          "slowest", results[b].name[slowest], "mean_over_rows_most", mean,
                          "plain_share_within_1e-3_in_200", (double)within[1] / (double)count,
                          "plain_iterations_median", middle(its[1], count),
                          "plain_over_auto_seconds_median_layer", middle(ratio, count)));
}

/* What M costs beside A, at the first beta, mean of all layers.  What a site pays once (Gn, its
 * Cholesky factor, h) is in the first. */
static void report_factors(size_t count)
{
    double seconds[2] = {0};
    for (size_t i = 0; i < count; i++) {
        for (int kind = 0; kind < 2; kind++) {
            seconds[kind] += results[0].found[i][kind].factor_seconds;
        }
    }
    bench_print(json_pack("{s:s, s:f, s:f}", "bench", "gap", "auto_factors_seconds",
                          seconds[0] / (double)count, "plain_factor_seconds",
                          seconds[1] / (double)count));
}

int main(int argc, char **argv)
{
    bench_threads();
    if (!bench_have_model()) {
        bench_print(json_pack("{s:s, s:s}", "bench", "gap", "skipped",
                              "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    const size_t step = argc > 1 && argv[1][0] == 'q' ? 8 : 1; /* quick: each kind in turn */
    const size_t layers = pl_model_layer_count(bench_model());
    size_t count = 0;
    for (size_t i = 0; i < layers && count < LAYERS; i += step) {
        bench_layer layer;
        bench_layer_load(pl_model_layer(bench_model(), i)->name, &layer);
        measure(&layer, count++);
        bench_layer_deinit(&layer);
    }
    for (int b = 0; b < BETAS; b++) {
        report(b, count);
    }
    report_factors(count);
    return 0;
}
