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

#include <stdbool.h>

/* NaN where a number does not apply (then null in JSON).  Nothing but doubles. */
typedef struct pl_solve_report {
    double objective, gap, iterations;
    double dual; /* sum of D, for the gap over several layers */
    double relative_error, rounded_relative_error, bound;
    /* before: of the original weights and inputs as they are, what a rounder alone would be handed.
     * after: of the weights that the rounder was handed, W T^-T preconditioned (before any learned
     * clipping), and of X T.  Flatness and kurtosis: metrics/outliers.h. */
    double group_max_before, group_max_after;
    double told[PL_MAX_TOLD]; /* what the methods tell beside that, by pl_told's index */
    /* On the stored rows of X (outputs.h). */
    double function_error, condition, output_error;
    double flatness_weight_before, flatness_weight_after;
    double flatness_input_before, flatness_input_after;
    double kurtosis_weight_before, kurtosis_weight_after;
    double kurtosis_input_before, kurtosis_input_after;
    /* Of a rounder that follows the original model (gptaq, qronos): ||X0 W0^T - X W^T||^2 over
     * ||X0 W0^T||^2, X0 the original's inputs, X those the layer sees. */
    double original_output_error;
    /* Of a rounder with certify=yes: below rounded_relative_error whatever codes are chosen for the
     * scales (core/metrics/least_error.h). */
    double least_rounded_error;
    double bits_per_weight; /* scales and zero points counted (grid.h); NaN without a rounder */
    double seconds;         /* of the solve that made the result, not of finding it */
    unsigned made;          /* what of it the solve has put into the store (PL_MADE_...), and did
                               not find there; no number */
} pl_solve_report;

enum { PL_MADE_RESULT = 1, PL_MADE_PRECONDITIONED = 2, PL_MADE_ROUNDED = 4 };

/* Every number NaN, nothing made. */
pl_solve_report pl_solve_report_empty(void);

/* Signal to quantization noise of the report's rounded weights, of the preconditioned ones where
 * nothing rounds: recon.h. */
double pl_report_sqnr(const pl_solve_report *report);

/* The rounded error over the least that is possible at its scales: at most so far is it from the
 * best codes.  NaN where that is not known or 0. */
double pl_report_times_least(const pl_solve_report *report);

/* Whether a slot of the layer has a method. */
bool pl_layer_has_method(const pl_state *state, size_t layer);

/* Whether the layer has methods, none of which needs anything of its inputs: then it is solved
 * without a calibration, too, and what is measured on inputs is NaN. */
bool pl_solve_is_blind(const pl_state *state, size_t layer);

/* Solves one layer under the state's plan, or finds the result in the store.  *result is its key.
 * At least one of the slots must be set. */
PL_NODISCARD pl_status pl_solve_layer(pl_context cx, size_t layer, pl_solve_report *report,
                                      pl_id *result, pl_error *err);

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

/* The report of a layer's stored result.  PL_ERR_NOT_FOUND where it has gone; PL_ERR_CHANGED where
 * the key names what another layer was solved to. */
PL_NODISCARD pl_status pl_result_report(pl_lab *lab, const pl_state *state, size_t layer,
                                        pl_id result, pl_solve_report *out, pl_error *err);

/* Removes from the store what a solve has made of a layer's result, made: as its report says.  What
 * it found there is somebody else's: of a kept setting, of another session. */
PL_NODISCARD pl_status pl_result_forget(pl_lab *lab, const pl_state *state, size_t layer,
                                        pl_id result, unsigned made, pl_error *err);

#endif
