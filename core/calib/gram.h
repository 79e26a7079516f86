/* core/calib/gram.h -- X^T X of one window, made tile by tile and added to a packed triangle.
 *
 * Packed: the upper triangle's rows one after the other, row i from its diagonal on.  A tile is
 * some rows of the triangle, made by one thread in scratch that stays in its cache and added at
 * once; what is made does not depend on how many threads there are.  Private to core/calib. */
#ifndef PL_CALIB_GRAM_H
#define PL_CALIB_GRAM_H

#include "core/base/error.h"
#include "core/base/task.h"

#include <stdbool.h>
#include <stddef.h>

/* A window of up to so many channels is added at once, or not at all where it is cancelled. */
enum { PL_GRAM_WHOLE = 2048 };

typedef struct pl_gram {
    size_t n, threads;
    float *scratch; /* [threads, rows of a tile, n] */
} pl_gram;

/* False where there is no memory. */
bool pl_gram_init(pl_gram *gram, size_t n);
void pl_gram_deinit(pl_gram *gram);

/* Bytes of a gram of n channels. */
size_t pl_gram_bytes(size_t n);

/* packed = X^T X of x[rows, n], or packed += (add).  Where n > PL_GRAM_WHOLE a cancel leaves it
 * half done. */
PL_NODISCARD pl_status pl_gram_window(pl_gram *gram, const float *x, size_t rows, float *packed,
                                      bool add, pl_task *task, pl_error *err);

/* a[count] += b[count], and a[count] /= by, by all threads. */
void pl_gram_join(float *a, const float *b, size_t count);
void pl_gram_divide(float *a, double by, size_t count);

#endif
