/* core/lab/pipeline.h -- transform -> precondition -> round, layer by layer.
 *
 * With a transform T the later slots work in its coordinates, on W T^-T and T^T G T; what they made
 * is read back as (...) T^T, weights of the original model's own coordinates, so that a forward
 * pass, an export and an error need not know of T.
 *
 * Results are stored in two steps, each under the hash of everything it came from: "precond"
 * (weights, Gram matrix, transform, preconditioner) and "round" (that, and the rounder), so that
 * two bit widths share one preconditioned matrix.  Worker thread only. */
#ifndef PL_LAB_PIPELINE_H
#define PL_LAB_PIPELINE_H

#include "core/lab/lab.h"
#include "core/lab/solve_report.h"

#include <stdbool.h>

/* Whether a slot of the layer has a method. */
bool pl_layer_has_method(const pl_state *state, size_t layer);

/* Whether the layer has methods, none of which needs anything of its inputs: then it is solved
 * without a calibration, too, and what is measured on inputs is NaN. */
bool pl_solve_is_blind(const pl_state *state, size_t layer);

/* Solves one layer under the state's plan, or finds the result in the store.  *result is its key.
 * At least one of the slots must be set. */
PL_NODISCARD pl_status pl_solve_layer(pl_context cx, size_t layer, pl_solve_report *report,
                                      pl_id *result, pl_error *err);

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

/* Sets the sentence for `name`, for which no method is set. */
pl_status pl_solve_no_method(const char *name, pl_error *err);

typedef void (*pl_solved_fn)(void *ctx, size_t layer, pl_id result, const pl_solve_report *report);

/* All layers that have a method, in model order, one layer's workspace at a time; each(ctx, ...)
 * after every one.  PL_ERR_STATE if none has.
 * sequential: each layer on the inputs that the quantized model computes for it, with the layers
 * before it solved and, where the state quantizes them, activations and cache quantized; for models
 * with a forward pass.  Transforms are made from the original model's inputs all the same.  total:
 * as `solve all` reports. */
PL_NODISCARD pl_status pl_solve_all(pl_context cx, bool sequential, pl_solved_fn each, void *ctx,
                                    pl_solve_report *total, pl_error *err);

/* The same of the results that the state has: nothing is solved, *layers counts them.  seconds: of
 * the solves that made them.  Results that the store no longer has are left out. */
PL_NODISCARD pl_status pl_solved_all(pl_context cx, pl_solved_fn each, void *ctx,
                                     pl_solve_report *total, size_t *layers, pl_error *err);

/* The report of a layer under the state's plan on the original model's inputs, where the store has
 * it; nothing is solved. */
PL_NODISCARD pl_status pl_solve_look(pl_context cx, size_t layer, bool *found,
                                     pl_solve_report *report, pl_error *err);

/* What `solve all` does by itself: in sequence wherever the model can be run on a calibration. */
bool pl_solve_runs_in_sequence(const pl_state *state);

#endif
