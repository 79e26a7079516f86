/* core/run/results.h -- how solved layers lie in the store.
 *
 * "precondition": the matrix and its certificate.  "round": codes, scales, zero points.  "result":
 * the report of a whole plan for one layer, and the keys of the two parts.  Private to core/run. */
#ifndef PL_RUN_RESULTS_H
#define PL_RUN_RESULTS_H

#include "core/run/pipeline.h"

#include <stdbool.h>

typedef struct pl_result {
    bool has_transform, has_preconditioned, has_rounded;
    pl_id transform, preconditioned, rounded;
    pl_act_range range; /* of X T on the stored rows it was solved with (outputs.h), or NaN */
} pl_result;

/* Key of a layer's result: its problem (weight, Gram matrix, transform), its specs, and the
 * activations' grid, which its report speaks of. */
PL_NODISCARD pl_status pl_result_key(pl_id problem, const pl_spec *precondition,
                                     const pl_spec *round, const pl_act_grid *activations,
                                     pl_id *out, pl_error *err);

/* The read functions fail without a sentence: absent and damaged are the same to a caller, who
 * computes again. */
PL_NODISCARD pl_status pl_result_read(pl_lab *lab, pl_id key, pl_result *parts,
                                      pl_solve_report *report);
PL_NODISCARD pl_status pl_result_write(pl_lab *lab, pl_id key, const pl_result *parts,
                                       const pl_solve_report *report, pl_error *err);

PL_NODISCARD pl_status pl_result_read_preconditioned(pl_lab *lab, pl_id key, pl_mat *w,
                                                     pl_linf_report *report);
PL_NODISCARD pl_status pl_result_write_preconditioned(pl_lab *lab, pl_id key, const pl_mat *w,
                                                      const pl_linf_report *report, pl_error *err);

PL_NODISCARD pl_status pl_result_read_rounded(pl_lab *lab, pl_id key, pl_mat *w,
                                              pl_round_report *report);
PL_NODISCARD pl_status pl_result_write_rounded(pl_lab *lab, pl_id key, const pl_qweights *q,
                                               const pl_round_report *report, pl_error *err);

/* Weights of a result, in the original coordinates: preconditioned; after = rounded, or
 * preconditioned where no rounder was set.  *provided 0: the result has none of that kind, the
 * original stands. */
PL_NODISCARD pl_status pl_result_weights(pl_lab *lab, pl_id key, pl_which which, float *out,
                                         int *provided, pl_error *err);

#endif
