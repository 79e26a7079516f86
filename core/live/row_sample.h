/* core/live/row_sample.h -- the numbers of a turn before its cold solve has ended: from some rows,
 * solved exactly as the cold solve will solve them.
 *
 * A few warm iterations make a picture, not a number: on a layer with one massive channel the error
 * they leave is hundreds of times the final one.  So the numbers come from rows that are solved
 * cold, with the plan's own iterations and the same factors; what is left to know is what the other
 * rows add, and estimate.h says whether that is known well enough.  Worker thread only. */
#ifndef PL_LIVE_ROW_SAMPLE_H
#define PL_LIVE_ROW_SAMPLE_H

#include "core/method/method.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_row_sample pl_row_sample;

/* w0: [rows, n], finite, borrowed for the sample's life. */
PL_NODISCARD pl_status pl_row_sample_create(pl_view w0, pl_row_sample **out, pl_error *err);
void pl_row_sample_destroy(pl_row_sample *sample);

/* A new value: forgets what is known. */
void pl_row_sample_begin(pl_row_sample *sample, const char *layer, const pl_spec *precondition,
                         const pl_spec *round);

/* Behind begin: the largest weight of layers that share a scale with this one (0: none). */
void pl_row_sample_share(pl_row_sample *sample, float most);

/* Solves the next rows.  *more: some number is not known well enough, and there is time for more
 * rows.  The factors are the same in every step of the sample's life.  Ticks. */
PL_NODISCARD pl_status pl_row_sample_step(pl_row_sample *sample, pl_factors *factors, bool *more,
                                          pl_task *task, pl_error *err);

/* As in the report of the solve (pipeline.h); NaN for what is not known well enough, and where the
 * slot is empty. */
typedef struct pl_row_sample_numbers {
    double group_max_after, relative_error, rounded_relative_error, bound;
    size_t rows; /* solved so far */
} pl_row_sample_numbers;
pl_row_sample_numbers pl_row_sample_read(const pl_row_sample *sample);

#endif
