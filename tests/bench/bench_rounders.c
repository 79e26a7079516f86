/* What following the original model costs: GPTAQ and Qronos over GPTQ, factor and columns together,
 * on three layers that share a site, of made-up inputs. */
#include "core/method/method.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include <stdlib.h>
#include <string.h>

enum { N = 1536, ROWS = 576, LAYERS = 3, TURNS = 3, TOKENS = 4096 };

static double seconds_of(const char *name, const float *gram, const float *cross, const float *w)
{
    pl_error err = {0};
    pl_factors *factors = NULL;
    float *own = calloc((size_t)N * N, sizeof *own);
    if (own == NULL) {
        abort();
    }
    const pl_spec spec = pl_spec_default(pl_method_find(name));
    memcpy(own, cross, (size_t)N * N * sizeof *own);
    const double start = bench_now();
    if (pl_factors_create(&(pl_sym){.n = N, .square = gram}, TOKENS, name, &factors, &err) !=
            PL_OK ||
        pl_factors_set_cross(factors, own, &err) != PL_OK) {
        bench_fail(name, &err);
    }
    for (int i = 0; i < LAYERS; i++) {
        pl_qweights q = {0};
        pl_method_report report;
        const pl_layer_input in = {.layer = name, .factors = factors, .w = {w, ROWS, N, N}};
        if (pl_round(&spec, &in, &q, &report, NULL, &err) != PL_OK) {
            bench_fail(name, &err);
        }
        pl_qweights_deinit(&q);
    }
    const double seconds = bench_now() - start;
    pl_factors_destroy(factors);
    return seconds;
}

int main(void)
{
    bench_layer layer;
    double gptaq[TURNS], qronos[TURNS];
    bench_threads();
    bench_layer_make(ROWS, N, &layer);
    float *cross = calloc((size_t)N * N, sizeof *cross);
    if (cross == NULL) {
        abort();
    }
    for (size_t i = 0; i < (size_t)N * N;
         i++) { /* inputs that are a twentieth too small, and more */
        cross[i] = 0.05f * layer.gram[i] * (i % 3 == 0 ? 1.0f : 0.5f);
    }
    for (int t = 0; t < TURNS; t++) {
        const double gptq = seconds_of("gptq", layer.gram, cross, layer.w.data);
        gptaq[t] = seconds_of("gptaq", layer.gram, cross, layer.w.data) / gptq;
        qronos[t] = seconds_of("qronos", layer.gram, cross, layer.w.data) / gptq;
    }
    bench_row("rounders", "GPTAQ over GPTQ: three layers [576, 1536] of a site",
              bench_median(gptaq, TURNS), BENCH_AT_MOST, 2.5, NULL);
    bench_row("rounders", "Qronos over GPTQ: three layers [576, 1536] of a site",
              bench_median(qronos, TURNS), BENCH_AT_MOST, 4, NULL);
    free(cross);
    bench_layer_deinit(&layer);
    return 0;
}
