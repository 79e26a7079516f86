/* core/jobs/progress.h -- one bar for a whole job out of what its passes report.
 *
 * A job reports in the unit of whatever computes at the moment: bytes hashed, tokens calibrated,
 * then its layers, and within each of these rows and columns.  The bar never goes back: passes
 * before the job's own unit share its first fifth, the own unit has the rest, and what is reported
 * while a pass has not ended is a part of that pass's next step. */
#ifndef PL_JOBS_PROGRESS_H
#define PL_JOBS_PROGRESS_H

#include <stdbool.h>

typedef struct pl_progress {
    const char *unit;   /* the job's own: "layers"; NULL: the first pass is the job */
    char what[24];      /* unit of the pass; "" before the first */
    double done, total; /* of the pass */
    double base, span;  /* its place in the bar */
    double share;       /* of the bar, 0 ... 1 */
} pl_progress;

/* A report; total > 0. */
void pl_progress_take(pl_progress *progress, const char *what, double done, double total);

#endif
