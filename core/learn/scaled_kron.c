#include "core/learn/scaled_kron.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"
#include "core/tensor/kron.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* Values of a tile's rows: four such arrays stay in the second-level cache. */
enum { TILE_VALUES = 32768 };

PL_CLONES static void scale_row(const float *restrict x, const float *restrict scale, size_t n,
                                float *restrict out)
{
    for (size_t c = 0; c < n; c++) {
        out[c] = x[c] * scale[c];
    }
}

void pl_scaled_kron_rows(const pl_scaled_kron *product, const float *x, size_t rows, float *out,
                         float *scratch)
{
    const size_t n = product->n1 * product->n2;
#pragma omp parallel for schedule(static) if (rows * n > 65536)
    for (size_t r = 0; r < rows; r++) {
        scale_row(x + r * n, product->scale, n, out + r * n);
    }
    pl_kron_rows(product->p1, product->n1, product->p2, product->n2, out, out, rows, scratch);
}

/* One thread's tile and sums. */
typedef struct bench {
    float *scaled, *half, *half_grad; /* [tile, n]: A, Z and dL/dZ */
    float *p1_sum, *p2_sum;           /* of one tile */
    double *p1, *p2, *scale;          /* of all of the thread's tiles */
} bench;

typedef struct sizes {
    size_t n1, n2, n, tile;
    size_t floats, doubles; /* of one thread */
} sizes;

static sizes sizes_of(const pl_scaled_kron *product)
{
    const size_t n1 = product->n1, n2 = product->n2, n = n1 * n2;
    const size_t fit = TILE_VALUES / n, tile = fit > 0 ? fit : 1;
    return (sizes){n1, n2, n, tile, 3 * tile * n + n1 * n1 + n2 * n2, n1 * n1 + n2 * n2 + n};
}

static bench bench_of(const sizes *s, float *floats, double *doubles, size_t thread)
{
    float *f = floats + thread * s->floats;
    double *d = doubles + thread * s->doubles;
    const size_t values = s->tile * s->n, a = s->n1 * s->n1, b = s->n2 * s->n2;
    return (bench){f, f + values, f + 2 * values, f + 3 * values, f + 3 * values + a,
                   d, d + a,      d + a + b};
}

PL_CLONES static void add_products(const float *restrict x, const float *restrict y, size_t n,
                                   double *restrict sums)
{
    for (size_t c = 0; c < n; c++) {
        sums[c] += (double)(x[c] * y[c]);
    }
}

static void add(const float *from, size_t count, double *to)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += (double)from[i];
    }
}

static void add_doubles(const double *from, size_t count, double *to)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += from[i];
    }
}

static void do_tile(const pl_scaled_kron *product, const sizes *s, const bench *b, const float *x,
                    float *grad, size_t rows)
{
    const size_t n1 = s->n1, n2 = s->n2, n = s->n;
    for (size_t r = 0; r < rows; r++) {
        scale_row(x + r * n, product->scale, n, b->scaled + r * n);
    }
    pl_gemm_nn(rows * n1, n2, n2, 1.0f, b->scaled, n2, product->p2, n2, 0.0f, b->half, n2);
    for (size_t r = 0; r < rows; r++) {
        const float *g = grad + r * n;
        pl_gemm_nt(n1, n1, n2, 1.0f, b->half + r * n, n2, g, n2, r == 0 ? 0.0f : 1.0f, b->p1_sum,
                   n1);
        pl_gemm_nn(n1, n2, n1, 1.0f, product->p1, n1, g, n2, 0.0f, b->half_grad + r * n, n2);
    }
    pl_gemm_tn(n2, n2, rows * n1, b->scaled, n2, b->half_grad, n2, 0.0f, b->p2_sum, n2);
    pl_gemm_nt(rows * n1, n2, n2, 1.0f, b->half_grad, n2, product->p2, n2, 0.0f, grad, n2);
    for (size_t r = 0; r < rows; r++) {
        add_products(grad + r * n, x + r * n, n, b->scale);
    }
    add(b->p1_sum, n1 * n1, b->p1);
    add(b->p2_sum, n2 * n2, b->p2);
}

pl_status pl_scaled_kron_gradient(const pl_scaled_kron *product, const float *x, size_t rows,
                                  float *grad, double *p1_grad, double *p2_grad, double *scale_grad,
                                  pl_error *err)
{
    const sizes s = sizes_of(product);
    const size_t threads = (size_t)pl_linalg_threads();
    float *floats = pl_alloc(threads * s.floats, sizeof *floats);
    double *doubles = calloc(threads * s.doubles, sizeof *doubles);
    if (floats == NULL || doubles == NULL) {
        free(floats);
        free(doubles);
        return pl_error_memory(err, "a gradient of %zu channels", s.n);
    }
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t first = 0; first < rows; first += s.tile) {
#ifdef _OPENMP
        const size_t thread = (size_t)omp_get_thread_num();
#else
        const size_t thread = 0;
#endif
        const bench b = bench_of(&s, floats, doubles, thread);
        do_tile(product, &s, &b, x + first * s.n, grad + first * s.n,
                rows - first < s.tile ? rows - first : s.tile);
    }
    for (size_t i = 0; i < threads; i++) {
        const bench b = bench_of(&s, floats, doubles, i);
        add_doubles(b.p1, s.n1 * s.n1, p1_grad);
        add_doubles(b.p2, s.n2 * s.n2, p2_grad);
        add_doubles(b.scale, s.n, scale_grad);
    }
    free(floats);
    free(doubles);
    return PL_OK;
}
