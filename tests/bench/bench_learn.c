/* A step of FlatQuant at [1536, 576] with 1,024 rows, W4A4, against its three products and against
 * the same step in PyTorch.  Targets are computed once, outside of both. */
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include "core/base/rng.h"
#include "core/learn/flatquant.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>

enum { OUT = 1536, IN = 576, ROWS = 1024, TURNS = 9, STEPS = 5 };

static float *random_matrix(size_t count, uint64_t seed, float scale)
{
    float *x = malloc(count * sizeof *x);
    pl_rng rng;
    if (x == NULL) {
        bench_fail("memory", NULL);
    }
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        x[i] = scale * (float)pl_rng_normal(&rng);
    }
    return x;
}

/* Y^ = X W^T, dX = R W, dW = R^T X. */
static double products(const float *x, const float *w, float *y, float *dx, float *dw)
{
    const double start = bench_now();
    pl_gemm_nt(ROWS, OUT, IN, 1.0f, x, IN, w, IN, 0.0f, y, OUT);
    pl_gemm_nn(ROWS, IN, OUT, 1.0f, y, OUT, w, IN, 0.0f, dx, IN);
    pl_gemm_tn(OUT, IN, ROWS, y, OUT, x, IN, 0.0f, dw, IN);
    return bench_now() - start;
}

static double steps(pl_flatquant *f)
{
    pl_error err = {0};
    const double start = bench_now();
    for (int i = 0; i < STEPS; i++) {
        if (pl_flatquant_step(f, NULL, &err) != PL_OK) {
            bench_fail("step", &err);
        }
    }
    return (bench_now() - start) / STEPS;
}

int main(void)
{
    pl_error err = {0};
    pl_flatquant f;
    float *x = random_matrix(ROWS * IN, 1, 1.0f), *w = random_matrix(OUT * IN, 2, 0.05f);
    float *y = random_matrix(ROWS * OUT, 3, 1.0f), *dx = random_matrix(ROWS * IN, 4, 1.0f);
    float *dw = random_matrix(OUT * IN, 5, 1.0f), max_abs[IN];
    double ours[TURNS], gemms[TURNS], torch[TURNS], over[TURNS], faster[TURNS];
    const pl_view view = {w, OUT, IN, IN};
    const pl_grid grid = {.bits = 4, .format = &pl_format_symmetric, .scale_dtype = PL_F32};
    bench_threads();
    for (size_t c = 0; c < IN; c++) {
        max_abs[c] = 0.0f;
        for (size_t r = 0; r < ROWS; r++) {
            max_abs[c] = fmaxf(max_abs[c], fabsf(x[r * IN + c]));
        }
    }
    const pl_site_input in = {
        .site = "bench",
        .n = IN,
        .weights = &view,
        .n_weights = 1,
        .max_abs = max_abs,
        .sample = {x, ROWS, IN, IN},
        .grid = &grid,
        .activations = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0}};
    const pl_spec spec = pl_spec_default(pl_method_find("flatquant"));
    if (pl_flatquant_init(&f, &spec, &in, NULL, NULL, &err) != PL_OK) {
        bench_fail("flatquant", &err);
    }
    steps(&f);
    products(x, w, y, dx, dw);
    for (int t = 0; t < TURNS; t++) {
        ours[t] = steps(&f);
        gemms[t] = products(x, w, y, dx, dw);
        over[t] = ours[t] / gemms[t];
        torch[t] = t < 3 ? bench_torch("flatquant 1536 576 1024") : torch[0];
        faster[t] = torch[t] / ours[t];
    }
    bench_row("learn", "a FlatQuant step at [1536, 576], 1,024 rows, over its three GEMMs",
              bench_median(over, TURNS), BENCH_AT_MOST, 1.7,
              json_pack("{s:f}", "seconds", bench_median(ours, TURNS)));
    bench_row("learn", "PyTorch's step over it", bench_median(faster, 3), BENCH_AT_LEAST, 1.3,
              json_pack("{s:o}", "torch_seconds",
                        torch[0] > 0 ? json_real(bench_median(torch, 3)) : json_null()));
    pl_flatquant_deinit(&f);
    free(x);
    free(w);
    free(y);
    free(dx);
    free(dw);
    return 0;
}
