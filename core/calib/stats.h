/* core/calib/stats.h -- streaming statistics of one site's input X[T, n].
 *
 * Every window gives one partial result; partials are combined in a fixed binary tree by window
 * index (tree.h), so the same windows give the same bytes in whatever order they come.  The Gram
 * sums are float32 over 128 rows at a time, added pairwise between windows: each element good to
 * 1e-6 * sqrt(G_ii G_jj).  Moments are float64. */
#ifndef PL_CALIB_STATS_H
#define PL_CALIB_STATS_H

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/calib/histogram.h"
#include "core/tensor/sym.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finished statistics of a site.  Arrays of n are per input channel. */
typedef struct pl_site_stats {
    size_t n;
    double tokens;          /* T; 0 for an expert that no token was routed to: all else is 0 */
    float *gram;            /* [n, n] full symmetric, X^T X / T */
    float *triangle;        /* or its upper triangle, packed as in core/tensor/sym.h */
    float *cross;           /* D = (X0 - X)^T X / T [n, n], X0 the original model's input where X is
                               the quantized one's (GPTAQ, Qronos); NULL: not made */
    float *max;             /* max |x| */
    uint32_t *max_position; /* index in the text of the maximum's token, first occurrence in the
                               order of the windows */
    int32_t *max_token;     /* its id */
    float *mean_abs;        /* mean |x| */
    float *rms;
    float *mean;
    float *kurtosis; /* E(x-mu)^4 / sigma^4, not minus 3; 0 for a constant channel */
    uint64_t histogram[PL_HIST_BINS];
    float *sample; /* [sample_rows, n], seeded choice of rows of X, in token order */
    size_t sample_rows;
    uint32_t *sample_position; /* [sample_rows] token index in the text */
} pl_site_stats;

/* How a site's Gram matrix is wanted. */
typedef enum pl_gram_form { PL_GRAM_NONE, PL_GRAM_SQUARE, PL_GRAM_PACKED } pl_gram_form;

/* The Gram matrix, in the form it is there. */
pl_sym pl_site_stats_gram(const pl_site_stats *stats);

void pl_site_stats_deinit(pl_site_stats *stats);

typedef struct pl_stats pl_stats; /* the accumulator of one site */

/* windows: how many will be added.  sample_rows: rows of X kept in all.  Caller owns *out. */
PL_NODISCARD pl_status pl_stats_create(size_t n, size_t windows, size_t sample_rows, pl_stats **out,
                                       pl_error *err);
void pl_stats_destroy(pl_stats *stats);

/* x[rows, n]: window `window`'s input; position: the index in the text of its first token; ids its
 * tokens; keep[n_keep]: rows of this window that belong to the sample, ascending.  Windows come in
 * any order, each once.  PL_ERR_NUMERIC names channel and token on a non-finite value.  After any
 * failure the accumulator is as it was; but a cancel where n > 2048 leaves it to be destroyed, and
 * its finish is PL_ERR_STATE. */
PL_NODISCARD pl_status pl_stats_add(pl_stats *stats, size_t window, const float *x, size_t rows,
                                    size_t position, const int32_t *ids, const uint32_t *keep,
                                    size_t n_keep, pl_task *task, pl_error *err);

/* The same for an expert's input: row r is token at[r] of the window (ascending), rows may be 0.
 * keep[n_keep] are tokens too; those that are not among the rows are left out of the sample. */
PL_NODISCARD pl_status pl_stats_add_routed(pl_stats *stats, size_t window, const float *x,
                                           size_t rows, const uint32_t *at, size_t position,
                                           const int32_t *ids, const uint32_t *keep, size_t n_keep,
                                           pl_task *task, pl_error *err);

/* What some windows add up to: one node of the tree.  The arrays are an accumulator's. */
typedef struct pl_stats_part {
    size_t level, index; /* windows [index << level, (index + 1) << level) as far as there are */
    double tokens;
    const void *moments;       /* [pl_stats_part_bytes(n)] as they lie in memory */
    const float *gram;         /* [pl_packed_size(n)] X^T X, not divided by T */
    const float *cross;        /* [n, n] (X0 - X)^T X, of a pass's (cross.h); NULL: not made */
    const uint64_t *histogram; /* [PL_HIST_BINS] */
    const float *sample;       /* [rows, n] */
    const uint32_t *places;    /* [rows, 3] position, window and row of each */
    size_t rows;
} pl_stats_part;
size_t pl_stats_part_bytes(size_t n);

/* Borrowed from the accumulator until it changes.  PL_ERR_STATE unless its windows are one node of
 * the tree. */
PL_NODISCARD pl_status pl_stats_part_of(pl_stats *stats, pl_stats_part *out, pl_error *err);

/* Adds what windows gave elsewhere, which are not added yet: the bytes of the result are as if they
 * had been added here.  PL_ERR_FORMAT where it is no part of so many windows. */
PL_NODISCARD pl_status pl_stats_add_part(pl_stats *stats, const pl_stats_part *part, pl_error *err);

/* The result of all windows (PL_ERR_STATE if some are missing); out is the caller's to deinit.
 * The accumulator is used up: only destroy or restart may follow. */
PL_NODISCARD pl_status pl_stats_finish(pl_stats *stats, pl_site_stats *out, pl_error *err);

/* The same with the triangle that was summed up, in half the room. */
PL_NODISCARD pl_status pl_stats_finish_packed(pl_stats *stats, pl_site_stats *out, pl_error *err);

/* An accumulator whose packed result was taken gets the large arrays of that result back, which are
 * NULL then, and is empty again: touching new memory for every block costs more than filling it. */
void pl_stats_restart(pl_stats *stats, pl_site_stats *used);

/* Can it be filled like one that create would make of these sizes?  Not if n > 2048: what it held
 * was given up to make room. */
bool pl_stats_fits(const pl_stats *stats, size_t n, size_t windows, size_t sample_rows);

/* Bytes an accumulator of that size holds at most while windows come in order, its result
 * included, for --memory. */
size_t pl_stats_bytes(size_t n, size_t windows, size_t sample_rows);

#endif
