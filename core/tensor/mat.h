/* core/tensor/mat.h -- the float32 matrix that owns its storage, and the view that borrows. */
#ifndef PL_TENSOR_MAT_H
#define PL_TENSOR_MAT_H

#include "core/base/error.h"

#include <stddef.h>

/* Row-major [rows, cols], contiguous, 64-byte aligned.  {0} is a valid empty matrix. */
typedef struct pl_mat {
    float *data;
    size_t rows, cols;
} pl_mat;

/* Borrowed, read-only, row-major; stride >= cols is the distance between rows in elements. */
typedef struct pl_view {
    const float *data;
    size_t rows, cols, stride;
} pl_view;

/* Zeroed.  On failure *mat is empty. */
PL_NODISCARD pl_status pl_mat_init(pl_mat *mat, size_t rows, size_t cols, pl_error *err);
PL_NODISCARD pl_status pl_mat_copy(pl_mat *mat, pl_view from, pl_error *err);
void pl_mat_deinit(pl_mat *mat);

static inline pl_view pl_mat_view(const pl_mat *mat)
{
    return (pl_view){mat->data, mat->rows, mat->cols, mat->cols};
}

/* Rows [first, first + count) of a view. */
static inline pl_view pl_view_rows(pl_view view, size_t first, size_t count)
{
    return (pl_view){view.data + first * view.stride, count, view.cols, view.stride};
}

/* Index (row-major) of the first NaN or infinity, or rows*cols if all values are finite. */
size_t pl_view_first_nonfinite(pl_view view);

/* max |x_i| of x[count]; NaN is skipped. */
float pl_floats_largest(const float *x, size_t count);

#endif
