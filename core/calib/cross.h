/* core/calib/cross.h -- the products of two models' inputs of one site, D = (X0 - X)^T X / T: X0 of
 * the original model, X of the quantized one, on the same tokens.
 *
 * Window after window: the original's rows are noted, then those of the quantized model are added.
 * Float32 sums of all rows, in the order of the windows.  Private to core/calib. */
#ifndef PL_CALIB_CROSS_H
#define PL_CALIB_CROSS_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pl_cross pl_cross;

PL_NODISCARD pl_status pl_cross_create(size_t n, pl_cross **out, pl_error *err);
void pl_cross_destroy(pl_cross *cross); /* NULL is fine */

/* x[rows, n] of the original model; row r is token at[r] of the window (ascending), or token r
 * where at is NULL.  Forgets what was noted before. */
PL_NODISCARD pl_status pl_cross_note(pl_cross *cross, const float *x, size_t rows,
                                     const uint32_t *at, pl_error *err);

/* x[rows, n] of the quantized model.  A token that the original has not routed to the same expert
 * counts as the same in both. */
PL_NODISCARD pl_status pl_cross_add(pl_cross *cross, const float *x, size_t rows,
                                    const uint32_t *at, pl_error *err);

/* D [n, n], the caller's to free; the object is empty then. */
float *pl_cross_take(pl_cross *cross, double tokens);

/* Bytes of an object that takes up to so many rows a window. */
size_t pl_cross_bytes(size_t n, size_t rows);

#endif
