#include "core/tensor/mat.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static pl_status allocate_mat(pl_mat *mat, size_t rows, size_t cols, pl_error *err)
{
    *mat = (pl_mat){0};
    size_t count = 0;
    float *data = pl_mul(rows, cols, &count) ? pl_alloc(count, sizeof(float)) : NULL;
    if (data == NULL) {
        return pl_error_memory(err, "a matrix of %zu x %zu", rows, cols);
    }
    *mat = (pl_mat){.data = data, .rows = rows, .cols = cols};
    return PL_OK;
}

pl_status pl_mat_init(pl_mat *mat, size_t rows, size_t cols, pl_error *err)
{
    pl_status status = allocate_mat(mat, rows, cols, err);
    if (status == PL_OK) {
        memset(mat->data, 0, rows * cols * sizeof(float));
    }
    return status;
}

pl_status pl_mat_copy(pl_mat *mat, pl_view from, pl_error *err)
{
    pl_status status = allocate_mat(mat, from.rows, from.cols, err);
    if (status != PL_OK || from.rows == 0 || from.cols == 0) {
        return status;
    }
    if (from.stride == from.cols) {
        memcpy(mat->data, from.data, from.rows * from.cols * sizeof(float));
        return PL_OK;
    }
    for (size_t i = 0; i < from.rows; i++) {
        memcpy(mat->data + i * from.cols, from.data + i * from.stride, from.cols * sizeof(float));
    }
    return PL_OK;
}

void pl_mat_deinit(pl_mat *mat)
{
    free(mat->data);
    *mat = (pl_mat){0};
}

static bool is_nonfinite(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7f800000u) == 0x7f800000u;
}

PL_CLONES
static uint32_t count_nonfinite(const float *x, size_t count)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += is_nonfinite(x[i]) ? 1u : 0u;
    }
    return found;
}

/* Pieces that stay in the L1 cache, so that the exact search repeats little. */
enum { PIECE = 4096 };

static size_t row_first_nonfinite(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i += PIECE) {
        size_t piece = count - i < PIECE ? count - i : PIECE;
        if (count_nonfinite(x + i, piece) == 0) {
            continue;
        }
        while (!is_nonfinite(x[i])) {
            i++;
        }
        return i;
    }
    return count;
}

size_t pl_view_first_nonfinite(pl_view view)
{
    if (view.stride == view.cols) {
        return row_first_nonfinite(view.data, view.rows * view.cols);
    }
    for (size_t i = 0; i < view.rows; i++) {
        size_t at = row_first_nonfinite(view.data + i * view.stride, view.cols);
        if (at < view.cols) {
            return i * view.cols + at;
        }
    }
    return view.rows * view.cols;
}

float pl_floats_largest(const float *x, size_t count)
{
    float max = 0.0f;
    for (size_t i = 0; i < count; i++) {
        max = fmaxf(max, fabsf(x[i]));
    }
    return max;
}
