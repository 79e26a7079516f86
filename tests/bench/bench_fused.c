/* Transform and quantize fused, against the same in separate passes over a batch that does not fit
 * the cache, and against a copy of its bytes; a Kronecker product against a dense P; a layer in
 * 8-bit codes behind both against SGEMM. */
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include "core/base/rng.h"
#include "core/method/fused.h"
#include "core/tensor/int8.h"
#include "core/tensor/kron.h"
#include "core/tensor/linalg.h"
#include "core/tensor/orthogonal.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 9, BATCH_BYTES = 128 << 20 };

typedef struct batch {
    size_t n, rows;
    float *x, *y, *scales;
    int8_t *codes;
} batch;

static void *zeroed(size_t bytes)
{
    void *p = malloc(bytes);
    if (p == NULL) {
        bench_fail("memory", NULL);
    }
    memset(p, 0, bytes);
    return p;
}

static batch make_batch(size_t n)
{
    batch b = {.n = n, .rows = BATCH_BYTES / (n * sizeof(float))};
    pl_rng rng;
    pl_rng_init(&rng, n);
    b.x = zeroed(b.rows * n * sizeof(float));
    b.y = zeroed(b.rows * n * sizeof(float));
    b.scales = zeroed(b.rows * sizeof(float));
    b.codes = zeroed(b.rows * n);
    for (size_t i = 0; i < b.rows * n; i++) {
        b.x[i] = (float)(pl_rng_uniform(&rng) - 0.5);
    }
    return b;
}

static void free_batch(batch *b)
{
    free(b->x);
    free(b->y);
    free(b->scales);
    free(b->codes);
}

static const pl_act_grid grid = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};

/* Each pass over the whole batch: copy, transform, maxima, codes. */
static void separate(const pl_transform *t, const batch *b)
{
    pl_error err = {0};
    memcpy(b->y, b->x, b->rows * b->n * sizeof(float));
    if (pl_transform_inputs(t, b->y, b->rows, NULL, &err) != PL_OK) {
        bench_fail("transform", &err);
    }
    pl_apart_quantize(&grid, NULL, b->y, b->rows, b->n, &(pl_quantized){b->codes, NULL, b->scales});
}

static void fused(const pl_transform *t, const batch *b)
{
    pl_error err = {0};
    if (pl_fused_quantize(t, b->n, &grid, b->x, b->rows, &(pl_quantized){b->codes, NULL, b->scales},
                          &err) != PL_OK) {
        bench_fail("fused", &err);
    }
}

static void compare(const char *name, pl_transform *t)
{
    batch b = make_batch(pl_transform_n(t));
    double apart[TURNS], together[TURNS], copy[TURNS];
    separate(t, &b);
    fused(t, &b);
    for (int i = 0; i < TURNS; i++) {
        double start = bench_now();
        separate(t, &b);
        apart[i] = bench_now() - start;
        start = bench_now();
        fused(t, &b);
        together[i] = bench_now() - start;
        start = bench_now();
        memcpy(b.y, b.x, b.rows * b.n * sizeof(float));
        copy[i] = bench_now() - start;
    }
    const double one = bench_median(together, TURNS);
    char row[96];
    snprintf(row, sizeof row, "%s at %zu: turning and quantizing apart over the fused kernel", name,
             b.n);
    bench_row("fused", row, bench_median(apart, TURNS) / one, BENCH_AT_LEAST, 2.0,
              json_pack("{s:f, s:f}", "fused_over_copy", one / bench_median(copy, TURNS),
                        "fused_ns_per_token", 1e9 * one / (double)b.rows));
    free_batch(&b);
    pl_transform_destroy(t);
}

static pl_transform *kron_of(size_t n)
{
    pl_error err = {0};
    pl_transform *t = NULL;
    size_t n1 = 0, n2 = 0;
    pl_kron_split(n, &n1, &n2);
    float *p1 = zeroed(n1 * n1 * sizeof(float)), *p2 = zeroed(n2 * n2 * sizeof(float));
    if (pl_orthogonal_random(n1, 1, p1, NULL, &err) != PL_OK ||
        pl_orthogonal_random(n2, 2, p2, NULL, &err) != PL_OK) {
        bench_fail("rotation", &err);
    }
    const pl_kron_parts parts = {.n1 = n1, .n2 = n2, .p1 = p1, .p2 = p2, .i1 = p1, .i2 = p2};
    if (pl_transform_kron(&parts, &t, &err) != PL_OK) {
        bench_fail("kron", &err);
    }
    free(p1);
    free(p2);
    return t;
}

/* The same T as n1, n2 and as n x n. */
static void against_dense(size_t n)
{
    enum { ROWS = 2048 };
    pl_error err = {0};
    pl_transform *t = kron_of(n);
    float *x = zeroed(ROWS * n * sizeof(float)), *y = zeroed(ROWS * n * sizeof(float));
    float *p = zeroed(n * n * sizeof(float));
    double dense[TURNS], kron[TURNS];
    for (int i = 0; i < TURNS; i++) {
        double start = bench_now();
        pl_gemm_nn(ROWS, n, n, 1.0f, x, n, p, n, 0.0f, y, n);
        dense[i] = bench_now() - start;
        start = bench_now();
        if (pl_transform_inputs(t, x, ROWS, NULL, &err) != PL_OK) {
            bench_fail("kron", &err);
        }
        kron[i] = bench_now() - start;
    }
    bench_print(json_pack("{s:s, s:I, s:f}", "bench", "kron", "n", (json_int_t)n, "dense_over_kron",
                          bench_median(dense, TURNS) / bench_median(kron, TURNS)));
    free(x);
    free(y);
    free(p);
    pl_transform_destroy(t);
}

/* A layer [rows, cols] on 512 tokens: SGEMM over 8-bit codes by oneDNN, whose inputs are quantized
 * fused with the transform (NULL: with none). */
static void against_float(const char *name, pl_transform *t, size_t rows, size_t cols)
{
    enum { TOKENS = 512 };
    pl_error err = {0};
    float *x = zeroed(TOKENS * cols * sizeof *x), *y = zeroed(TOKENS * rows * sizeof *y);
    float *w = zeroed(rows * cols * sizeof *w), *scales = zeroed((rows + TOKENS) * sizeof *scales);
    int8_t *codes = zeroed((rows + TOKENS) * cols);
    double sgemm[TURNS], int8[TURNS];
    pl_rng rng;
    pl_int8 *product = NULL;
    pl_rng_init(&rng, rows);
    for (size_t i = 0; i < TOKENS * cols; i++) {
        x[i] = (float)pl_rng_normal(&rng);
    }
    for (size_t i = 0; i < rows * cols; i++) {
        w[i] = (float)pl_rng_normal(&rng);
    }
    const pl_act_grid bytes = {.bits = 8, .format = &pl_format_symmetric, .clip = 1.0};
    const pl_quantized of_x = {codes + rows * cols, NULL, scales + rows};
    pl_apart_quantize(&bytes, NULL, w, rows, cols, &(pl_quantized){codes, NULL, scales});
    if (pl_int8_create(codes, scales, rows, cols, TOKENS, 1, &product, &err) != PL_OK) {
        bench_fail("int8", &err);
    }
    for (int i = -1; i < TURNS; i++) { /* the first turn is not counted */
        double start = bench_now();
        pl_gemm_nt(TOKENS, rows, cols, 1.0f, x, cols, w, cols, 0.0f, y, rows);
        sgemm[i < 0 ? 0 : i] = bench_now() - start;
        start = bench_now();
        if (pl_fused_quantize(t, cols, &bytes, x, TOKENS, &of_x, &err) != PL_OK ||
            pl_int8_multiply(product, 0, of_x.codes, of_x.scales, y, &err) != PL_OK) {
            bench_fail("int8", &err);
        }
        int8[i < 0 ? 0 : i] = bench_now() - start;
    }
    bench_print(json_pack("{s:s, s:s, s:I, s:I, s:f, s:s}", "bench", "int8", "transform", name,
                          "out", (json_int_t)rows, "in", (json_int_t)cols, "sgemm_over_int8",
                          bench_median(sgemm, TURNS) / bench_median(int8, TURNS), "int8_kernel",
                          pl_int8_kernel(product)));
    pl_int8_destroy(product);
    pl_transform_destroy(t);
    free(x);
    free(y);
    free(w);
    free(scales);
    free(codes);
}

/* The shapes of SmolLM2's gate_proj and down_proj, and of a 7B's o_proj. */
static void against_floats(void)
{
    static const size_t shapes[][2] = {{1536, 576}, {576, 1536}, {4096, 4096}};
    if (pl_int8_missing() != NULL) {
        bench_print(json_pack("{s:s, s:s}", "bench", "int8", "skipped", pl_int8_missing()));
        return;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t rows = shapes[i][0], cols = shapes[i][1];
        pl_error err = {0};
        pl_transform *t = NULL;
        if (pl_transform_hadamard(cols, &t, &err) != PL_OK) {
            bench_fail("Hadamard", &err);
        }
        against_float("none", NULL, rows, cols);
        against_float("hadamard", t, rows, cols);
        against_float("kronecker", kron_of(cols), rows, cols);
    }
}

int main(void)
{
    static const size_t sizes[] = {576, 1536, 4096};
    bench_threads();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pl_error err = {0};
        pl_transform *t = NULL;
        if (pl_transform_hadamard(sizes[i], &t, &err) != PL_OK) {
            bench_fail("Hadamard", &err);
        }
        compare("hadamard", t);
        compare("kronecker", kron_of(sizes[i]));
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        against_dense(sizes[i]);
    }
    against_floats();
    return 0;
}
