/* core/lab/pipeline_parts.h -- what one layer's solve and a whole model's share; private to
 * core/lab. */
#ifndef PL_LAB_PIPELINE_PARTS_H
#define PL_LAB_PIPELINE_PARTS_H

#include "core/lab/pipeline.h"

/* Whether a precondition or round method is set for the layer. */

/* False where the layer's inputs cannot be known (bare.h) and its methods need them. */
bool pl_solve_sees_enough(const pl_state *state, size_t layer);

/* Whether the layer's rounder looks at the original model's inputs beside those it is given. */
bool pl_solve_follows(const pl_state *state, size_t layer);

/* Sets the sentence for `name`, for which no method is set. */
pl_status pl_solve_no_method(const char *name, pl_error *err);

/* Who sees a solve's rows as they become final.  NULL where nobody does. */
typedef struct pl_solve_watch {
    /* w[count, cols]: preconditioned or rounded weights, borrowed for the call. */
    void (*rows)(void *ctx, bool rounded, size_t first, size_t count, const float *w);
    void *ctx;
    pl_warm *warm;       /* where rows of the preconditioner are left; NULL: nowhere */
    const size_t *place; /* [rows]: the row of warm, SIZE_MAX for none */
} pl_solve_watch;

/* Solves one layer with the Gram matrix of a calibration key, or finds it in the store.  Its
 * transform is made from the state's own calibration.  A key of zeros: of blind methods, without
 * inputs; what needs those is NaN. */
PL_NODISCARD pl_status pl_solve_under(pl_context cx, size_t layer, pl_id calibration,
                                      const pl_solve_watch *watch, pl_solve_report *report,
                                      pl_id *result, pl_error *err);

/* Whether the store has a layer's result: *result is its key then, and its parts are whole.  No
 * statistics are needed for that, and nothing is made. */
PL_NODISCARD pl_status pl_solve_find(pl_context cx, size_t layer, pl_id calibration, bool *found,
                                     pl_solve_report *report, pl_id *result, pl_error *err);

#endif
