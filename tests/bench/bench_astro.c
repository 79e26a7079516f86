/* Astro by 20 ADMM iterations, against the GEMMs it consists of and against the paper's 200
 * proximal gradient steps, cold start, iterations only: lambda_max and the factorization, which a
 * site pays once, are reported apart, and so is the certificate.  Where a step takes long (width
 * 4096) 20 of the 200 are run, and their time taken ten times; PyTorch takes few of its own
 * everywhere. */
#include "core/solve/linf_parts.h"
#include "core/tensor/linalg.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ITERATIONS = 20, STEPS = 200, FEW_STEPS = 20, WIDE = 2048, TURNS = 7 };

static const double BETA = 3e-4;

/* The products of a cold solve (its first iteration needs none), cut and shared out as the solver
 * does it, and nothing between them. */
static double time_gemms(const bench_layer *layer, const float *a, float *w)
{
    size_t rows = layer->w.rows, n = layer->w.cols, block = pl_linf_block_rows(rows, n);
    size_t threads = (size_t)pl_linalg_threads();
    double start = bench_now();
    for (size_t first = 0; first < rows; first += threads * block) {
#pragma omp parallel for schedule(static, 1)
        for (size_t i = 0; i < threads; i++) {
            size_t from = first + i * block < rows ? first + i * block : rows;
            size_t count = rows - from < block ? rows - from : block;
            for (int k = 1; k < ITERATIONS && count > 0; k++) {
                pl_gemm_nn(count, n, n, 1.0f, layer->w.data + from * n, n, a, n, 0.0f, w + from * n,
                           n);
            }
        }
    }
    return bench_now() - start;
}

static double time_solve(const bench_layer *layer, const pl_linf_problem *problem,
                         const pl_linf_options *options, float *w, pl_linf_report *report)
{
    pl_error err = {0};
    double start = bench_now();
    if (pl_linf_solve(layer->factors, problem, options, NULL, w, report, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    return bench_now() - start;
}

/* What a site pays once: lambda_max; Gn, which holds it and a Cholesky factor; A. */
static void prepare(const bench_layer *layer, double rho_factor, double seconds[3], const float **a)
{
    pl_error err = {0};
    pl_normalized gn;
    double lambda_max = 0, start = bench_now();
    if (pl_lambda_max(&(pl_sym){.n = layer->w.cols, .square = layer->gram}, &lambda_max, NULL,
                      &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    seconds[0] = bench_now() - start;
    start = bench_now();
    if (pl_factors_normalized(layer->factors, &gn, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    seconds[1] = bench_now() - start;
    start = bench_now();
    if (pl_factors_admm(layer->factors, rho_factor * gn.mean_diag, a, NULL, &err) != PL_OK) {
        bench_fail(layer->name, &err);
    }
    seconds[2] = bench_now() - start;
}

static void print_rows(size_t rows, size_t n, double over_gemms, double over_pgd,
                       double admm_seconds)
{
    char row[96], args[64];
    snprintf(args, sizeof args, "pgd %zu %zu %d", rows, n, FEW_STEPS);
    const double torch = bench_torch(args) * STEPS / FEW_STEPS;
    snprintf(row, sizeof row, "[%zu, %zu]: ADMM 20 over its GEMMs", rows, n);
    bench_row("astro", row, over_gemms, BENCH_AT_MOST, 1.2, NULL);
    snprintf(row, sizeof row, "[%zu, %zu]: 200 PGD steps over ADMM 20", rows, n);
    bench_row("astro", row, over_pgd, BENCH_AT_LEAST, 8, NULL);
    snprintf(row, sizeof row, "[%zu, %zu]: 200 PGD steps in PyTorch over ADMM 20", rows, n);
    bench_row(
        "astro", row, torch / admm_seconds, BENCH_AT_LEAST, 20,
        json_pack("{s:o}", "torch_seconds", isfinite(torch) ? json_real(torch) : json_null()));
}

static void measure(bench_layer *layer)
{
    const size_t rows = layer->w.rows, n = layer->w.cols, groups = (n + 127) / 128;
    const float *a = NULL;
    double once[3], gemms[TURNS], plain[TURNS], certified[TURNS], ratio[TURNS], steps[2];
    float *alpha = malloc(groups * sizeof *alpha), *w = malloc(rows * n * sizeof *w);
    const int few = n > WIDE ? FEW_STEPS : STEPS; /* steps that are run */
    pl_linf_report admm, pgd;
    if (alpha == NULL || w == NULL) {
        bench_fail(layer->name, NULL);
    }
    pl_factors_alpha(layer->factors, 128, alpha);
    const pl_linf_problem problem = {
        .w0 = pl_mat_view(&layer->w), .group_size = 128, .alpha = alpha, .beta = BETA};
    pl_linf_options options = {.solver = PL_SOLVER_ADMM, .iterations = ITERATIONS};
    prepare(layer, 0.2, once, &a);
    time_solve(layer, &problem, &options, w, &admm); /* warms the caches and the threads */
    for (int i = 0; i < TURNS; i++) {
        options.certify = false;
        gemms[i] = time_gemms(layer, a, w);
        plain[i] = time_solve(layer, &problem, &options, w, &admm);
        ratio[i] = plain[i] / gemms[i];
        options.certify = true;
        certified[i] = time_solve(layer, &problem, &options, w, &admm);
    }
    options = (pl_linf_options){.solver = PL_SOLVER_PGD, .iterations = few};
    steps[0] = time_solve(layer, &problem, &options, w, &pgd);
    steps[1] = time_solve(layer, &problem, &options, w, &pgd);
    double pgd_seconds = bench_median(steps, 2) * STEPS / few,
           admm_seconds = bench_median(plain, TURNS);
    double gemm_seconds = bench_median(gemms, TURNS);
    bench_print(json_pack(
        "{s:s, s:s, s:[I,I], s:f, s:f, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "bench",
        "astro", "layer", layer->name, "shape", (json_int_t)rows, (json_int_t)n, "beta", BETA,
        "admm20_over_its_gemms", bench_median(ratio, TURNS), "pgd200_over_admm20",
        pgd_seconds / admm_seconds, "pgd_objective_over_admm20", pgd.objective / admm.objective,
        "pgd_steps", few, "admm20_gap", admm.gap, "admm20_seconds", admm_seconds,
        "certificate_over_admm20", bench_median(certified, TURNS) / admm_seconds - 1.0,
        "lambda_max_seconds", once[0], "normalize_seconds", once[1], "factorization_seconds",
        once[2], "gemm_gflops",
        2e-9 * (ITERATIONS - 1) * (double)rows * (double)n * (double)n / gemm_seconds));
    print_rows(rows, n, bench_median(ratio, TURNS), pgd_seconds / admm_seconds, admm_seconds);
    free(alpha);
    free(w);
}

int main(void)
{
    static const struct {
        const char *name;
        size_t rows, cols;
    } layers[] = {{"15.q_proj", 576, 576},
                  {"15.gate_proj", 1536, 576},
                  {"15.down_proj", 576, 1536},
                  {NULL, 256, 4096}};
    bench_threads();
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        bench_layer layer;
        if (layers[i].name != NULL && bench_have_model()) {
            bench_layer_load(layers[i].name, &layer);
        } else {
            bench_layer_make(layers[i].rows, layers[i].cols, &layer);
        }
        measure(&layer);
        bench_layer_deinit(&layer);
    }
    return 0;
}
