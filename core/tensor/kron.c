#include "core/tensor/kron.h"

#include "core/tensor/clones.h"
#include "core/tensor/lanes.h"
#include "core/tensor/linalg.h"

#include <string.h>

void pl_kron_split(size_t n, size_t *n1, size_t *n2)
{
    *n1 = 1;
    for (size_t d = 2; d <= n / d; d++) {
        *n1 = n % d == 0 ? d : *n1;
    }
    *n2 = n / *n1;
}

enum { OUTPUTS = 4 }; /* rows of y that are summed up at a time, in registers */

/* Some columns of y = P1^T x, x[n1, ld]; the order of the sums is that of the definition. */
#define MIX_COLUMNS(name, type)                                                                    \
    static inline __attribute__((always_inline)) void name(const float *restrict p1, size_t n1,    \
                                                           size_t ld, const float *restrict x,     \
                                                           float *restrict y)                      \
    {                                                                                              \
        size_t to = 0;                                                                             \
        for (; to + OUTPUTS <= n1; to += OUTPUTS) {                                                \
            type sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0};                                   \
            for (size_t from = 0; from < n1; from++) {                                             \
                const float *c = p1 + from * n1 + to;                                              \
                type in;                                                                           \
                memcpy(&in, x + from * ld, sizeof in);                                             \
                sum0 += c[0] * in;                                                                 \
                sum1 += c[1] * in;                                                                 \
                sum2 += c[2] * in;                                                                 \
                sum3 += c[3] * in;                                                                 \
            }                                                                                      \
            memcpy(y + to * ld, &sum0, sizeof sum0);                                               \
            memcpy(y + (to + 1) * ld, &sum1, sizeof sum1);                                         \
            memcpy(y + (to + 2) * ld, &sum2, sizeof sum2);                                         \
            memcpy(y + (to + 3) * ld, &sum3, sizeof sum3);                                         \
        }                                                                                          \
        for (; to < n1; to++) {                                                                    \
            type sum = {0};                                                                        \
            for (size_t from = 0; from < n1; from++) {                                             \
                type in;                                                                           \
                memcpy(&in, x + from * ld, sizeof in);                                             \
                sum += p1[from * n1 + to] * in;                                                    \
            }                                                                                      \
            memcpy(y + to * ld, &sum, sizeof sum);                                                 \
        }                                                                                          \
    }

typedef float quarter_lanes __attribute__((vector_size(PL_LANES / 4 * sizeof(float))));

MIX_COLUMNS(mix_lanes, pl_lanes)
MIX_COLUMNS(mix_half, pl_half_lanes)
MIX_COLUMNS(mix_quarter, quarter_lanes)

/* y = P1^T x of one row, x[n1, n2]. */
PL_CLONES static void mix_row(const float *restrict p1, size_t n1, size_t n2,
                              const float *restrict x, float *restrict y)
{
    size_t j = 0;
    for (; j + PL_LANES <= n2; j += PL_LANES) {
        mix_lanes(p1, n1, n2, x + j, y + j);
    }
    for (; j + PL_LANES / 2 <= n2; j += PL_LANES / 2) {
        mix_half(p1, n1, n2, x + j, y + j);
    }
    for (; j + PL_LANES / 4 <= n2; j += PL_LANES / 4) {
        mix_quarter(p1, n1, n2, x + j, y + j);
    }
    for (; j < n2; j++) {
        for (size_t to = 0; to < n1; to++) {
            float sum = 0.0f;
            for (size_t from = 0; from < n1; from++) {
                sum += p1[from * n1 + to] * x[from * n2 + j];
            }
            y[to * n2 + j] = sum;
        }
    }
}

/* Rows that stay in the second-level cache between the two factors. */
enum { TILE_VALUES = 32768 };

static void turn_tile(const float *p1, size_t n1, const float *p2, size_t n2, const float *x,
                      float *y, size_t rows, float *scratch)
{
    const size_t n = n1 * n2;
    /* All rows' rows through P2 in one product. */
    pl_gemm_nn(rows * n1, n2, n2, 1.0f, x, n2, p2, n2, 0.0f, scratch, n2);
    for (size_t r = 0; r < rows; r++) {
        mix_row(p1, n1, n2, scratch + r * n, y + r * n);
    }
}

void pl_kron_rows(const float *p1, size_t n1, const float *p2, size_t n2, const float *x, float *y,
                  size_t rows, float *scratch)
{
    const size_t n = n1 * n2, fit = TILE_VALUES / n, tile = fit > 0 ? fit : 1;
#pragma omp parallel for schedule(static) if (rows > tile)
    for (size_t first = 0; first < rows; first += tile) {
        turn_tile(p1, n1, p2, n2, x + first * n, y + first * n,
                  rows - first < tile ? rows - first : tile, scratch + first * n);
    }
}
