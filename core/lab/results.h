/* core/lab/results.h -- how solved layers lie in the store.
 *
 * "precondition": the matrix and its certificate.  "round": codes, scales, zero points.  "result":
 * the report of a whole plan for one layer, and the keys of the two parts.  Private to core/lab. */
#ifndef PL_LAB_RESULTS_H
#define PL_LAB_RESULTS_H

#include "core/lab/solve_report.h"

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

/* A store is files, and a session names them: what is read is checked against the layer that asks
 * for it.  PL_ERR_CHANGED with a sentence, which names the key and both shapes, where the entry is
 * another layer's or of another shape.  Absent and damaged (PL_ERR_NOT_FOUND, PL_ERR_FORMAT) come
 * without a sentence: they are the same to a caller, who computes again. */
PL_NODISCARD pl_status pl_result_read(pl_lab *lab, const pl_state *state, size_t layer, pl_id key,
                                      pl_result *parts, pl_solve_report *report, pl_error *err);
PL_NODISCARD pl_status pl_result_write(pl_lab *lab, const pl_state *state, size_t layer, pl_id key,
                                       const pl_result *parts, const pl_solve_report *report,
                                       pl_error *err);

/* Keeps the result and its parts in the store while this process lives, whoever needs the room:
 * what a state refers to is not solved again.  A result that is written is kept already. */
PL_NODISCARD pl_status pl_result_pin(pl_lab *lab, pl_id key, const pl_result *parts, pl_error *err);

/* w: made with the layer's shape, which the entry must have.  method: whose report is read or
 * written; NULL where none made the weights or nobody wants its report (report NULL, too). */
PL_NODISCARD pl_status pl_result_read_preconditioned(pl_lab *lab, pl_id key,
                                                     const pl_method *method, pl_mat *w,
                                                     pl_method_report *report, pl_error *err);
PL_NODISCARD pl_status pl_result_write_preconditioned(pl_lab *lab, pl_id key,
                                                      const pl_method *method, const pl_mat *w,
                                                      const pl_method_report *report,
                                                      pl_error *err);

PL_NODISCARD pl_status pl_result_read_rounded(pl_lab *lab, pl_id key, const pl_method *method,
                                              pl_mat *w, pl_method_report *report, pl_error *err);
/* The same as codes, for the caller to own; rows and cols: the layer's. */
PL_NODISCARD pl_status pl_result_read_codes(pl_lab *lab, pl_id key, size_t rows, size_t cols,
                                            pl_qweights *out, pl_error *err);
/* Their grid alone. */
PL_NODISCARD pl_status pl_result_read_grid(pl_lab *lab, pl_id key, pl_grid *out, pl_error *err);

PL_NODISCARD pl_status pl_result_write_rounded(pl_lab *lab, pl_id key, const pl_method *method,
                                               const pl_qweights *q, const pl_method_report *report,
                                               pl_error *err);

/* Sets the sentence for a part of a layer's result that could not be read and is needed.  Of one
 * that is damaged or gone it is "LAYER: WHAT no longer whole in the store FOLDER: REMEDY again"
 * (what: "its codes are", remedy: "solve").  Where the disk, memory or another model is the cause,
 * it says that, since the part itself may be whole.  Returns the error's code. */
PL_NODISCARD pl_status pl_result_unreadable(pl_lab *lab, const char *layer, const char *what,
                                            const char *remedy, pl_status status,
                                            const pl_error *why, pl_error *err);

/* Whether the store lacks what was asked, or has it damaged or of another layer: a caller that can
 * do without it goes on.  It may not go on after a failure of the disk or of memory: a number would
 * be missing that is there. */
static inline bool pl_result_is_gone(pl_status status)
{
    return status == PL_ERR_NOT_FOUND || status == PL_ERR_FORMAT || status == PL_ERR_CHANGED;
}

/* Weights of a layer's result, in the original coordinates (turned: in those of its transform), to
 * out[rows, cols]: preconditioned;
 * after = rounded, or preconditioned where no rounder was set.  *provided 0: the result has none of
 * that kind, the original stands.  An error's sentence names the layer. */
PL_NODISCARD pl_status pl_result_weights(pl_lab *lab, const pl_state *state, size_t layer,
                                         pl_id key, pl_which which, bool turned, float *out,
                                         int *provided, pl_error *err);

#endif
