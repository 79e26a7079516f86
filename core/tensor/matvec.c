/* A matrix times one vector, at the rate at which memory gives the matrix. */
#include "core/tensor/clones.h"
#include "core/tensor/lanes.h"
#include "core/tensor/linalg.h"

#include <string.h>

enum { ROWS_A_TASK = 16 }; /* few enough that 576 rows are halves alike */

/* Sums over fixed lanes: the same whatever the width of the vectors. */
PL_CLONES static void dot_rows(size_t rows, size_t cols, const float *w, const float *x, float *y)
{
    for (size_t r = 0; r < rows; r++, w += cols) {
        pl_half_lanes sums[4] = {0};
        size_t i = 0;
        for (; i + 2 * PL_LANES <= cols; i += 2 * PL_LANES) {
            for (size_t k = 0; k < 4; k++) {
                pl_half_lanes weights, inputs;
                memcpy(&weights, w + i + k * (PL_LANES / 2), sizeof weights);
                memcpy(&inputs, x + i + k * (PL_LANES / 2), sizeof inputs);
                sums[k] += weights * inputs;
            }
        }
        sums[0] += sums[2];
        sums[1] += sums[3];
        float rest = 0.0f, sum = 0.0f;
        for (; i < cols; i++) {
            rest += w[i] * x[i];
        }
        for (size_t l = 0; l < PL_LANES; l++) {
            sum += l < PL_LANES / 2 ? sums[0][l] : sums[1][l - PL_LANES / 2];
        }
        y[r] = sum + rest;
    }
}

void pl_matvec(size_t rows, size_t cols, const float *w, const float *x, float *y)
{
    const size_t tasks = (rows + ROWS_A_TASK - 1) / ROWS_A_TASK;
#pragma omp parallel for schedule(static) if (rows * cols > 1 << 15)
    for (size_t t = 0; t < tasks; t++) {
        const size_t first = t * ROWS_A_TASK;
        const size_t count = rows - first < ROWS_A_TASK ? rows - first : ROWS_A_TASK;
        dot_rows(count, cols, w + first * cols, x, y + first);
    }
}
