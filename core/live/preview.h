/* core/live/preview.h -- the first frames of a knob's turn: a few rows, solved from where the last
 * turn ended.
 *
 * Rows are independent, and the rounders share one factor between them: what a new value does to
 * a layer shows in the rows that hold the column maxima of W0, since those make the picture.  They
 * are solved with a warm start and few iterations.  The numbers come from rows of their own
 * (row_sample.h).  Then the cold solve's own rows replace them as they come.  Nothing of this is
 * ever recorded.  Worker thread only. */
#ifndef PL_LIVE_PREVIEW_H
#define PL_LIVE_PREVIEW_H

#include "core/live/row_sample.h"
#include "core/method/method.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_preview pl_preview;

/* w0: [rows, n], finite, borrowed for the preview's life.  It takes the rows that hold the column
 * maxima: first those of column bins, as many as a first frame has time for (every column where the
 * layer is narrow), the largest first, then all others. */
PL_NODISCARD pl_status pl_preview_create(pl_view w0, pl_preview **out, pl_error *err);
void pl_preview_destroy(pl_preview *preview);

/* What is known of the present value so far. */
typedef struct pl_preview_now {
    size_t preconditioned_rows, rounded_rows; /* rows known, previewed or final */
    const float *preconditioned, *rounded;    /* [n] maxima over those rows; NULL for an empty slot
                                                 and before its first rows */
    pl_row_sample_numbers numbers;
} pl_preview_now;

/* A new value: forgets the rows known so far, keeps the warm starts.  layer: names it in error
 * sentences. */
void pl_preview_begin(pl_preview *preview, const char *layer, const pl_spec *precondition,
                      const pl_spec *round);

/* Behind begin: the largest weight of layers that share a scale with this one (0: none). */
void pl_preview_share(pl_preview *preview, float most);

/* The next piece: a narrow layer is done in one, a wide one shows its preconditioned weights
 * first.  Behind the first come the numbers, at once or in a few steps.  *more tells whether
 * anything is left to preview.  Ticks. */
PL_NODISCARD pl_status pl_preview_step(pl_preview *preview, pl_factors *factors, bool *more,
                                       pl_task *task, pl_error *err);

pl_preview_now pl_preview_read(const pl_preview *preview);

/* For the cold solve of the present value: where it leaves the previewed rows, and which those are
 * (place[rows of w0], borrowed).  NULL: nowhere. */
pl_warm *pl_preview_warm(pl_preview *preview, const size_t **place);

/* Rows [first, first + count) of the cold solve are final: w[count, n]. */
void pl_preview_add(pl_preview *preview, bool rounded, size_t first, size_t count, const float *w);

/* The cold solve has ended well.  While only the rounder's values change from now on, its
 * preconditioned rows are used again. */
void pl_preview_finish(pl_preview *preview);

#endif
