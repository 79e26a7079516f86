/* core/calib/cross.h -- the products of two models' inputs of one site, D = (X0 - X)^T X / T: X0 of
 * the original model, X of the quantized one, on the same tokens.
 *
 * Window after window: the original's rows are noted, then those of the quantized model are added.
 * Float32 sums, of windows in the tree that the statistics' are made in (tree.h).  Private to
 * core/calib. */
#ifndef PL_CALIB_CROSS_H
#define PL_CALIB_CROSS_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pl_cross pl_cross;

PL_NODISCARD pl_status pl_cross_create(size_t n, size_t windows, pl_cross **out, pl_error *err);
void pl_cross_destroy(pl_cross *cross); /* NULL is fine */

/* x[rows, n] of the original model; row r is token at[r] of the window (ascending), or token r
 * where at is NULL.  Forgets what was noted before. */
PL_NODISCARD pl_status pl_cross_note(pl_cross *cross, const float *x, size_t rows,
                                     const uint32_t *at, pl_error *err);

/* x[rows, n] of the quantized model, in this window.  A token that the original has not routed to
 * the same expert counts as the same in both. */
PL_NODISCARD pl_status pl_cross_add(pl_cross *cross, size_t window, const float *x, size_t rows,
                                    const uint32_t *at, pl_error *err);

/* (X0 - X)^T X [n, n] of the windows that were added, borrowed until the next; NULL unless they are
 * one node of the tree. */
const float *pl_cross_part(const pl_cross *cross);

/* Adds what the windows of a node gave elsewhere. */
PL_NODISCARD pl_status pl_cross_add_part(pl_cross *cross, size_t level, size_t index,
                                         const float *sum, pl_error *err);

/* D [n, n] of all windows, the caller's to free; only destroy may follow. */
float *pl_cross_take(pl_cross *cross, double tokens);

/* Bytes of an object that takes windows in order, each of up to so many rows. */
size_t pl_cross_bytes(size_t n, size_t windows, size_t rows);

#endif
