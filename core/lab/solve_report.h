/* core/lab/solve_report.h -- the numbers of a layer's solve.  Reading them: worker thread only. */
#ifndef PL_LAB_SOLVE_REPORT_H
#define PL_LAB_SOLVE_REPORT_H

#include "core/lab/lab.h"

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

/* The rounded error over the bound below which no codes at its scales come: the best codes are at
 * most that factor better.  NaN where the bound is not known or 0. */
double pl_report_times_least(const pl_solve_report *report);

/* The report of a layer's stored result.  PL_ERR_NOT_FOUND where it has gone; PL_ERR_CHANGED where
 * the key names what another layer was solved to. */
PL_NODISCARD pl_status pl_result_report(pl_lab *lab, const pl_state *state, size_t layer,
                                        pl_id result, pl_solve_report *out, pl_error *err);

/* Removes from the store the parts of a layer's result that its solve made (made: of its report),
 * not those that the solve found there, which a kept setting or another session may need. */
PL_NODISCARD pl_status pl_result_forget(pl_lab *lab, const pl_state *state, size_t layer,
                                        pl_id result, unsigned made, pl_error *err);

#endif
