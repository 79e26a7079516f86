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

/* Columns of y = P1^T x, x[n1, ld], as many as `parts` values of a type have numbers; the order of
 * the sums is that of the definition. */
#define MIX_COLUMNS(name, type, parts)                                                             \
    static inline __attribute__((always_inline)) void name(const float *restrict p1, size_t n1,    \
                                                           size_t ld, const float *restrict x,     \
                                                           float *restrict y)                      \
    {                                                                                              \
        enum { WIDTH = sizeof(type) / sizeof(float) };                                             \
        size_t to = 0;                                                                             \
        for (; to + OUTPUTS <= n1; to += OUTPUTS) {                                                \
            type sums[OUTPUTS][parts] = {0};                                                       \
            for (size_t from = 0; from < n1; from++) {                                             \
                const float *c = p1 + from * n1 + to;                                              \
                for (size_t k = 0; k < parts; k++) {                                               \
                    type in;                                                                       \
                    memcpy(&in, x + from * ld + k * WIDTH, sizeof in);                             \
                    for (size_t o = 0; o < OUTPUTS; o++) {                                         \
                        sums[o][k] += c[o] * in;                                                   \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
            for (size_t o = 0; o < OUTPUTS; o++) {                                                 \
                for (size_t k = 0; k < parts; k++) {                                               \
                    memcpy(y + (to + o) * ld + k * WIDTH, &sums[o][k], sizeof(type));              \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        for (; to < n1; to++) {                                                                    \
            type sums[parts] = {0};                                                                \
            for (size_t from = 0; from < n1; from++) {                                             \
                for (size_t k = 0; k < parts; k++) {                                               \
                    type in;                                                                       \
                    memcpy(&in, x + from * ld + k * WIDTH, sizeof in);                             \
                    sums[k] += p1[from * n1 + to] * in;                                            \
                }                                                                                  \
            }                                                                                      \
            for (size_t k = 0; k < parts; k++) {                                                   \
                memcpy(y + to * ld + k * WIDTH, &sums[k], sizeof(type));                           \
            }                                                                                      \
        }                                                                                          \
    }

MIX_COLUMNS(mix_lanes, pl_lanes, 1)
MIX_COLUMNS(mix_halves, pl_half_lanes, 2)
MIX_COLUMNS(mix_half, pl_half_lanes, 1)
MIX_COLUMNS(mix_quarter, pl_quarter_lanes, 1)

/* y = P1^T x of one row, x[n1, n2]. */
PL_CLONES static void mix_row(const float *restrict p1, size_t n1, size_t n2,
                              const float *restrict x, float *restrict y)
{
    const bool whole = pl_lanes_are_whole();
    size_t j = 0;
    for (; j + PL_LANES <= n2; j += PL_LANES) {
        if (whole) {
            mix_lanes(p1, n1, n2, x + j, y + j);
        } else {
            mix_halves(p1, n1, n2, x + j, y + j);
        }
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
