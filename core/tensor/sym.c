#include "core/tensor/sym.h"

#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"
#include "core/tensor/mat.h"

#include <string.h>

enum { LANES = 16 };

bool pl_sym_find_nonfinite(const pl_sym *a, size_t *row, size_t *column)
{
    const size_t n = a->n;
    if (a->square != NULL) {
        const size_t at = pl_view_first_nonfinite((pl_view){a->square, n, n, n});
        if (at < n * n) {
            *row = at / n;
            *column = at % n;
        }
        return at < n * n;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t size = n - i;
        const size_t at = pl_view_first_nonfinite((pl_view){pl_sym_row(a, i), 1, size, size});
        if (at < size) {
            *row = i;
            *column = i + at;
            return true;
        }
    }
    return false;
}

void pl_sym_square(const pl_sym *a, float *out)
{
    for (size_t i = 0; i < a->n; i++) {
        memcpy(out + i * a->n + i, pl_sym_row(a, i), (a->n - i) * sizeof *out);
    }
    pl_symmetrize(a->n, out);
}

void pl_sym_band(const pl_sym *a, size_t first, size_t count, float *out)
{
    const size_t wide = a->n - first;
    for (size_t i = 0; i < count; i++) {
        memcpy(out + i * wide + i, pl_sym_row(a, first + i), (wide - i) * sizeof *out);
        for (size_t j = 0; j < i; j++) {
            out[i * wide + j] = out[j * wide + i];
        }
    }
}

/* Fixed lanes, so that a sum does not depend on the instruction set. */
static inline __attribute__((always_inline)) double fold(double sum[LANES])
{
    for (size_t width = LANES / 2; width > 0; width /= 2) {
        for (size_t lane = 0; lane < width; lane++) {
            sum[lane] += sum[lane + width];
        }
    }
    return sum[0];
}

PL_CLONES
static double dot_row(const float *restrict row, const double *restrict x, size_t count)
{
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            sum[lane] += (double)row[i + lane] * x[i + lane];
        }
    }
    double total = 0.0;
    for (; i < count; i++) {
        total += (double)row[i] * x[i];
    }
    return total + fold(sum);
}

/* A row's share in both of its roles: returns row . x, and adds by * row to y. */
PL_CLONES
static double both_ways(const float *restrict row, size_t count, const double *restrict x,
                        double by, double *restrict y)
{
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const double value = (double)row[i + lane];
            sum[lane] += value * x[i + lane];
            y[i + lane] += value * by;
        }
    }
    double total = 0.0;
    for (; i < count; i++) {
        const double value = (double)row[i];
        total += value * x[i];
        y[i] += value * by;
    }
    return total + fold(sum);
}

static void multiply_square(const pl_sym *a, const double *x, double *y)
{
#pragma omp parallel for schedule(static) if (a->n >= 256)
    for (size_t i = 0; i < a->n; i++) {
        y[i] = dot_row(a->square + i * a->n, x, a->n);
    }
}

static void multiply_packed(const pl_sym *a, const double *x, double *y, double *sums)
{
    const size_t n = a->n, threads = (size_t)pl_linalg_threads();
    memset(sums, 0, threads * n * sizeof *sums);
#pragma omp parallel for schedule(static, 16) num_threads((int)threads)
    for (size_t i = 0; i < n; i++) {
        double *mine = sums + pl_linalg_thread() * n;
        const float *row = pl_sym_row(a, i);
        const double rest = both_ways(row + 1, n - i - 1, x + i + 1, x[i], mine + i + 1);
        mine[i] += (double)row[0] * x[i] + rest;
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t t = 0; t < threads; t++) {
            sum += sums[t * n + i];
        }
        y[i] = sum;
    }
}

void pl_sym_multiply(const pl_sym *a, const double *x, double *y, double *sums)
{
    if (a->square != NULL) {
        multiply_square(a, x, y);
    } else {
        multiply_packed(a, x, y, sums);
    }
}
