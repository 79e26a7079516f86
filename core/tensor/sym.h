/* core/tensor/sym.h -- a symmetric float32 matrix, as a square or as its packed upper triangle.
 *
 * Packed: the rows of the upper triangle one after the other, row i from its diagonal on, in half
 * the room.  Either way row i is contiguous from its diagonal on; code that reads no more than that
 * works on both. */
#ifndef PL_TENSOR_SYM_H
#define PL_TENSOR_SYM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_sym {
    size_t n;
    const float *square; /* [n, n], both triangles; NULL where packed is given */
    const float *packed; /* [n (n + 1) / 2] */
} pl_sym;

/* n (n + 1) / 2, and where row i begins. */
static inline size_t pl_packed_size(size_t n)
{
    return n % 2 == 0 ? n / 2 * (n + 1) : (n + 1) / 2 * n;
}

static inline size_t pl_packed_row(size_t n, size_t i)
{
    return i * n - i * (i - 1) / 2; /* 0 for 0 */
}

/* Columns [i, n) of row i. */
static inline const float *pl_sym_row(const pl_sym *a, size_t i)
{
    return a->square != NULL ? a->square + i * a->n + i : a->packed + pl_packed_row(a->n, i);
}

static inline float pl_sym_at(const pl_sym *a, size_t i, size_t j)
{
    return i < j ? pl_sym_row(a, i)[j - i] : pl_sym_row(a, j)[i - j];
}

/* *row and *column: the first stored element, in row order, that is not finite; false if there is
 * none. */
bool pl_sym_find_nonfinite(const pl_sym *a, size_t *row, size_t *column);

/* out[n, n], both triangles. */
void pl_sym_square(const pl_sym *a, float *out);

/* Rows [first, first + count) and columns [first, n) to out[count, n - first]. */
void pl_sym_band(const pl_sym *a, size_t first, size_t count, float *out);

/* y[n] = A x[n] in float64; sums[pl_linalg_threads() * n] is room for it.  For a packed A the last
 * bits depend on the thread count. */
void pl_sym_multiply(const pl_sym *a, const double *x, double *y, double *sums);

#endif
