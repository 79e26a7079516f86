/* core/calib/moments.h -- per-channel numbers of a piece of X: extremes and central moments.
 * Private to core/calib. */
#ifndef PL_CALIB_MOMENTS_H
#define PL_CALIB_MOMENTS_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

/* All arrays of n channels.  The storage belongs to whoever set the pointers. */
typedef struct pl_moments {
    size_t n;
    double tokens;
    double *mean, *m2, *m3, *m4; /* sums of powers of x - mean */
    double *sum_abs;
    int32_t *max;       /* the float's bits of max |x| */
    uint32_t *position; /* index in the text of its token */
    int32_t *token;     /* its id */
} pl_moments;

/* Doubles and 32-bit words a pl_moments of n channels points to, and the pointers into them. */
size_t pl_moments_bytes(size_t n);
void pl_moments_place(pl_moments *moments, size_t n, void *storage);

/* One pass over x[rows, n]: sets moments; adds the counts to histogram[PL_HIST_BINS].  position:
 * of the window's first token in the text, ids: the window's tokens, of which row r is at[r]
 * (NULL: r).  PL_ERR_NUMERIC names channel and token of a non-finite value;
 * moments and histogram are then unspecified. */
PL_NODISCARD pl_status pl_moments_pass(pl_moments *moments, const float *x, size_t rows,
                                       const uint32_t *at, size_t position, const int32_t *ids,
                                       uint64_t *histogram, pl_error *err);

/* a = a joined with b, b's tokens coming later (Pebay, Sandia report SAND2008-6212, 2008). */
void pl_moments_join(pl_moments *a, const pl_moments *b);

#endif
