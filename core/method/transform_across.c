#include "core/method/transform_parts.h"

#include "core/tensor/hadamard.h"

void pl_transform_transpose(const float *from, size_t rows, size_t cols, float *to)
{
    enum { TILE = 32 };
    for (size_t r = 0; r < rows; r += TILE) {
        for (size_t c = 0; c < cols; c += TILE) {
            for (size_t i = r; i < rows && i < r + TILE; i++) {
                for (size_t j = c; j < cols && j < c + TILE; j++) {
                    to[j * rows + i] = from[i * cols + j];
                }
            }
        }
    }
}

/* Each row is [parts, n / parts]: its columns are turned, as rows of its transpose. */
void pl_transform_turn_across(const pl_transform *t, bool transposed, float *x, size_t rows,
                              float *scratch)
{
    const size_t parts = (size_t)t->shape[PL_SHAPE_ACROSS], width = t->n / parts;
#pragma omp parallel for schedule(static) if (rows * t->n > 65536)
    for (size_t r = 0; r < rows; r++) {
        pl_transform_transpose(x + r * t->n, parts, width, scratch + r * t->n);
    }
    if (transposed) {
        pl_hadamard_rows_transposed(t->across, scratch, rows * width, parts);
    } else {
        pl_hadamard_rows(t->across, scratch, rows * width, parts);
    }
#pragma omp parallel for schedule(static) if (rows * t->n > 65536)
    for (size_t r = 0; r < rows; r++) {
        pl_transform_transpose(scratch + r * t->n, width, parts, x + r * t->n);
    }
}
