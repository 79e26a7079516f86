#include "tests/bench/sgemm.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"
#include "tests/bench/bench.h"

/* One product [length, cols] x [rows, cols]^T, repeated for about 50 ms; adds its share. */
static void time_product(size_t length, size_t rows, size_t cols, double *flops, double *seconds)
{
    float *x = pl_alloc(length * cols, sizeof *x), *w = pl_alloc(rows * cols, sizeof *w);
    float *y = pl_alloc(length * rows, sizeof *y);
    double work = 2.0 * (double)length * (double)rows * (double)cols;
    if (x == NULL || w == NULL || y == NULL) {
        bench_fail("SGEMM", NULL);
    }
    for (size_t i = 0; i < length * cols; i++) {
        x[i] = (float)(i % 17) - 8.0f;
    }
    for (size_t i = 0; i < rows * cols; i++) {
        w[i] = (float)(i % 13) - 6.0f;
    }
    pl_gemm_nt(length, rows, cols, 1.0f, x, cols, w, cols, 0.0f, y, rows);
    int times = 0;
    double start = bench_now(), spent = 0;
    for (; spent < 0.05; times++) {
        pl_gemm_nt(length, rows, cols, 1.0f, x, cols, w, cols, 0.0f, y, rows);
        spent = bench_now() - start;
    }
    *flops += work;
    *seconds += spent / times;
    free(x);
    free(w);
    free(y);
}

double bench_sgemm_speed(const pl_model *model, size_t length, bool lm_head)
{
    const pl_config *config = pl_model_config(model);
    double flops = 0, seconds = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        if (layer->block == 0) {
            time_product(length, layer->rows, layer->cols, &flops, &seconds);
        }
    }
    flops *= (double)config->blocks;
    seconds *= (double)config->blocks;
    if (lm_head) {
        time_product(length, config->vocab_size, config->hidden_size, &flops, &seconds);
    }
    return flops / seconds;
}
