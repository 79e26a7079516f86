#include "core/tensor/kron.h"

#include "core/tensor/clones.h"
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

/* y = P1^T x of one row, x[n1, n2]. */
PL_CLONES static void mix_row(const float *restrict p1, size_t n1, size_t n2,
                              const float *restrict x, float *restrict y)
{
    memset(y, 0, n1 * n2 * sizeof *y);
    for (size_t from = 0; from < n1; from++) {
        const float *restrict in = x + from * n2;
        for (size_t to = 0; to < n1; to++) {
            const float c = p1[from * n1 + to];
            float *restrict out = y + to * n2;
            for (size_t j = 0; j < n2; j++) {
                out[j] += c * in[j];
            }
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
#ifdef _OPENMP
#pragma omp parallel for schedule(static) if (rows > tile)
#endif
    for (size_t first = 0; first < rows; first += tile) {
        turn_tile(p1, n1, p2, n2, x + first * n, y + first * n,
                  rows - first < tile ? rows - first : tile, scratch + first * n);
    }
}
