#include "tests/support/ref_quant.h"

#include "core/base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *doubles(size_t count)
{
    double *x = calloc(count, sizeof *x);
    if (x == NULL) {
        abort();
    }
    return x;
}

void ref_gram(uint64_t seed, size_t n, size_t tokens, double spread, float *g)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    double *sum = doubles(n * n), *x = doubles(n);
    for (size_t t = 0; t < tokens; t++) {
        double common = pl_rng_normal(&rng);
        for (size_t i = 0; i < n; i++) {
            x[i] = pl_rng_normal(&rng) + 0.5 * common + (i > 0 ? 0.5 * x[i - 1] : 0.0);
        }
        for (size_t i = 0; i < n; i++) {
            x[i] *= exp2(spread * (double)((i * 37) % n) / (double)n);
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                sum[i * n + j] += x[i] * x[j] / (double)tokens;
            }
        }
    }
    for (size_t i = 0; i < n * n; i++) {
        g[i] = (float)sum[i];
    }
    free(sum);
    free(x);
}

void ref_weights(uint64_t seed, size_t count, float *w)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        w[i] = (float)pl_rng_normal(&rng);
    }
}

static int falling(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

static double level_of(const double *v, size_t count, double tau)
{
    double *u = doubles(count), sum = 0.0, level = 0.0, norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        u[i] = fabs(v[i]);
        norm += u[i];
    }
    qsort(u, count, sizeof *u, falling);
    for (size_t j = 0; j < count && norm > tau; j++) {
        sum += u[j];
        if (j == 0 || u[j] > (sum - tau) / (double)(j + 1)) {
            level = (sum - tau) / (double)(j + 1);
        }
    }
    free(u);
    return level;
}

double ref_level(const float *v, size_t count, double tau)
{
    double *u = doubles(count);
    for (size_t i = 0; i < count; i++) {
        u[i] = (double)v[i];
    }
    double level = level_of(u, count, tau);
    free(u);
    return level;
}

double ref_objective(const float *gn, size_t n, const float *w0, const float *w, size_t width,
                     const double *weights)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            sum += 0.5 * ((double)w[i] - (double)w0[i]) * (double)gn[i * n + j] *
                   ((double)w[j] - (double)w0[j]);
        }
    }
    for (size_t k = 0; k * width < n; k++) {
        double max = 0.0;
        for (size_t i = k * width; i < n && i < (k + 1) * width; i++) {
            max = fmax(max, fabs((double)w[i]));
        }
        sum += weights[k] * max;
    }
    return sum;
}

/* a[n, n] becomes its inverse: Gauss and Jordan, pivots on the diagonal (a is positive definite).
 */
static void invert(double *a, size_t n)
{
    for (size_t p = 0; p < n; p++) {
        double pivot = a[p * n + p];
        a[p * n + p] = 1.0;
        for (size_t j = 0; j < n; j++) {
            a[p * n + j] /= pivot;
        }
        for (size_t i = 0; i < n; i++) {
            double factor = a[i * n + p];
            if (i == p) {
                continue;
            }
            a[i * n + p] = 0.0;
            for (size_t j = 0; j < n; j++) {
                a[i * n + j] -= factor * a[p * n + j];
            }
        }
    }
}

static double *inverse_plus(const float *g, size_t n, double ridge)
{
    double *a = doubles(n * n);
    for (size_t i = 0; i < n * n; i++) {
        a[i] = (double)g[i];
    }
    for (size_t i = 0; i < n; i++) {
        a[i * n + i] += ridge;
    }
    invert(a, n);
    return a;
}

double ref_dual(const float *gn, size_t n, const float *w0, const double *y)
{
    double *inverse = inverse_plus(gn, n, 0.0), sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += y[i] * (double)w0[i];
        for (size_t j = 0; j < n; j++) {
            sum -= 0.5 * y[i] * inverse[i * n + j] * y[j];
        }
    }
    free(inverse);
    return sum;
}

/* What ADMM with this rho reaches in 3000 steps. */
static double reached(const float *gn, size_t n, const float *w0, size_t width,
                      const double *weights, double rho)
{
    double *inverse = inverse_plus(gn, n, rho);
    double *z = doubles(n), *u = doubles(n), *v = doubles(n);
    float *w = calloc(n, sizeof *w);
    if (w == NULL) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        z[i] = (double)w0[i];
    }
    for (int step = 0; step < 3000; step++) {
        for (size_t i = 0; i < n; i++) {
            double x = (double)w0[i];
            for (size_t j = 0; j < n; j++) {
                x += rho * inverse[i * n + j] * (z[j] - u[j] - (double)w0[j]);
            }
            v[i] = x + u[i];
        }
        for (size_t k = 0; k * width < n; k++) {
            size_t first = k * width, count = n - first < width ? n - first : width;
            double level =
                weights[k] > 0.0 ? level_of(v + first, count, weights[k] / rho) : INFINITY;
            for (size_t i = first; i < first + count; i++) {
                z[i] = fmax(-level, fmin(level, v[i]));
                u[i] = v[i] - z[i];
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        w[i] = (float)z[i];
    }
    const double objective = ref_objective(gn, n, w0, w, width, weights);
    free(inverse);
    free(z);
    free(u);
    free(v);
    free(w);
    return objective;
}

double ref_optimum(const float *gn, size_t n, const float *w0, size_t width, const double *weights)
{
    double mean = 0.0, best = INFINITY;
    for (size_t i = 0; i < n; i++) {
        mean += (double)gn[i * n + i] / (double)n;
    }
    for (int i = 0; i < 4; i++) { /* no rho suits every Gram matrix */
        best = fmin(best, reached(gn, n, w0, width, weights, mean * pow(0.1, i)));
    }
    return best;
}

pl_grid_param ref_fit(const pl_grid *grid, const float *w, size_t count)
{
    double lo = 0.0, hi = 0.0;
    for (size_t i = 0; i < count; i++) {
        lo = fmin(lo, (double)w[i]);
        hi = fmax(hi, (double)w[i]);
    }
    double max = fmax(-lo, hi), steps = exp2(grid->bits) - 1.0;
    double scale = grid->format == &pl_format_asymmetric  ? (hi - lo) / steps
                   : grid->format == &pl_format_symmetric ? max / (exp2(grid->bits - 1) - 1.0)
                                                          : 2.0 * max / steps;
    if (max == 0.0) {
        return (pl_grid_param){1.0f, 0};
    }
    /* To the nearest number with 11 significant bits (f16) or 8 (bf16), normal range only. */
    int exponent = 0;
    double fraction = frexp((double)(float)scale, &exponent);
    double digits = grid->scale_dtype == PL_F16 ? 2048.0 : grid->scale_dtype == PL_BF16 ? 256.0 : 0;
    scale = digits > 0.0 ? ldexp(rint(fraction * digits) / digits, exponent) : (double)(float)scale;
    int zero = grid->format == &pl_format_asymmetric ? (int)fmin(rint(-lo / scale), steps) : 0;
    return (pl_grid_param){(float)scale, zero};
}

int ref_code(const pl_grid *grid, pl_grid_param param, double w)
{
    double least = grid->format == &pl_format_asymmetric ? 0.0 : -exp2(grid->bits - 1);
    double most = least + exp2(grid->bits) - 1.0;
    return (int)fmax(least, fmin(most, rint(w / (double)param.scale) + param.zero));
}

typedef struct ranked {
    double key;
    size_t column;
} ranked;

static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key > y->key || x->key < y->key) {
        return x->key > y->key ? -1 : 1;
    }
    return x->column < y->column ? -1 : 1;
}

/* One row's columns in the given order; hinv[n, n] of the permuted Hessian, copied. */
static void gptq_row(const double *hinv, size_t n, const pl_grid *grid, const ranked *order,
                     bool static_groups, const double *w0, double *out)
{
    double *h = doubles(n * n), *w = doubles(n);
    float *group = calloc(n, sizeof *group);
    size_t width = grid->group_size == 0 ? n : grid->group_size;
    pl_grid_param param = {1.0f, 0};
    if (group == NULL) {
        abort();
    }
    memcpy(h, hinv, n * n * sizeof *h);
    for (size_t i = 0; i < n; i++) {
        w[i] = w0[order[i].column];
    }
    for (size_t i = 0; i < n; i++) {
        size_t column = order[i].column;
        size_t first = static_groups ? column / width * width : i;
        size_t count = n - first < width ? n - first : width;
        if (static_groups || i % width == 0) {
            for (size_t j = 0; j < count; j++) {
                group[j] = (float)(static_groups ? w0[first + j] : w[first + j]);
            }
            param = ref_fit(grid, group, count);
        }
        out[column] = (double)param.scale * (ref_code(grid, param, w[i]) - param.zero);
        double error = (w[i] - out[column]) / h[i * n + i];
        for (size_t j = i; j < n; j++) {
            w[j] -= error * h[i * n + j];
        }
        for (size_t r = i + 1; r < n; r++) { /* eliminate column i */
            double factor = h[r * n + i] / h[i * n + i];
            for (size_t j = i; j < n; j++) {
                h[r * n + j] -= factor * h[i * n + j];
            }
        }
    }
    free(h);
    free(w);
    free(group);
}

void ref_gptq(const float *g, size_t n, size_t rows, const pl_grid *grid, double damping,
              bool act_order, bool static_groups, const float *w, double *out)
{
    ranked *order = calloc(n, sizeof *order);
    double *hinv = doubles(n * n), *row = doubles(n), mean = 0.0;
    if (order == NULL) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        double d = g[i * n + i] > 0.0f ? 2.0 * (double)g[i * n + i] : 1.0;
        order[i] = (ranked){d, i};
        mean += d / (double)n;
    }
    if (act_order) {
        qsort(order, n, sizeof *order, by_key);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            hinv[i * n + j] = 2.0 * (double)g[order[i].column * n + order[j].column];
        }
        hinv[i * n + i] = order[i].key + damping * mean;
    }
    invert(hinv, n);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            row[i] = g[i * n + i] > 0.0f ? (double)w[r * n + i] : 0.0;
        }
        gptq_row(hinv, n, grid, order, static_groups, row, out + r * n);
    }
    free(order);
    free(hinv);
    free(row);
}

double ref_output_error(const float *g, size_t n, size_t rows, const float *w0, const float *w)
{
    double sum = 0.0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                sum += ((double)w[r * n + i] - (double)w0[r * n + i]) * (double)g[i * n + j] *
                       ((double)w[r * n + j] - (double)w0[r * n + j]);
            }
        }
    }
    return sum;
}
