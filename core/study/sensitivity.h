/* core/study/sensitivity.h -- what quantizing each part of a model costs: the KL divergence to the
 * original with one unit alone quantized, or everything but it.  Worker thread only. */
#ifndef PL_STUDY_SENSITIVITY_H
#define PL_STUDY_SENSITIVITY_H

#include "core/lab/pool.h"
#include "core/metrics/perplexity.h"
#include "core/study/units.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_sensitivity {
    pl_unit unit;
    bool without;     /* everything is quantized but the unit; else the unit alone is */
    const char *glob; /* only layers whose name matches; NULL: all */
    pl_ppl_spec text; /* protocol, length, windows; its memory limit is the lab's */
    size_t probes;    /* only so many units (blocks), spread evenly, and none `together`; 0: all */
    const char *said; /* the command, which layers keep their losses of; NULL: they keep none */
} pl_sensitivity;

typedef struct pl_sensitivities {
    pl_unit_loss *units; /* [count], in model order */
    size_t count;
    pl_loss together; /* with all units quantized; without: with everything quantized */
    double original, original_error; /* perplexity */
    size_t tokens, windows;          /* scored */
    size_t unsolved;                 /* layers left out, since nothing rounds them yet */
} pl_sensitivities;

/* Measures every unit on the text's tokens ids[count], or finds it in the store, so that an
 * interrupted run goes on.  PL_ERR_STATE where no layer is solved, or where inputs are quantized
 * and a unit has only some of the layers that share an input (the error then expects site or
 * block).  Keys are quantized with their block's k_proj, values with its v_proj.  Progress in
 * "units".  Caller deinits *out. */
PL_NODISCARD pl_status pl_sensitivity_run(pl_context cx, const pl_sensitivity *asked,
                                          const int32_t *ids, size_t count, pl_sensitivities *out,
                                          pl_error *err);
void pl_sensitivities_deinit(pl_sensitivities *s);

/* Some of its units, for a pool. */
extern const pl_unit_kind pl_unit_sensitivity;

/* Estimates each unit's KL divergence in place of measuring it, at the cost of its own blocks:
 * units[].estimate = c r (methods.md 5), r the distance by which the unit moves the residual stream
 * behind its blocks (core/metrics/local_error.h), c the geometric mean of KL / r over asked->probes
 * blocks, each measured with all its layers quantized.  The units' losses and `together` are NaN;
 * layers get their column kl_estimate.  Errors as of pl_sensitivity_run; `without` is not used.
 * PL_ERR_NUMERIC where no probed block moves anything.  Caller deinits *out. */
PL_NODISCARD pl_status pl_sensitivity_estimate(pl_context cx, const pl_sensitivity *asked,
                                               const int32_t *ids, size_t count,
                                               pl_sensitivities *out, pl_error *err);

/* Before the functions below: makes the model's identity, which they need and do not make, if the
 * store has losses of some of count layers.  It reads the whole model once. */
PL_NODISCARD pl_status pl_sensitivity_look(pl_context cx, size_t first, size_t count,
                                           pl_error *err);

/* The KL divergence that `sensitivity` last measured with a layer's result alone (only weights
 * quantized); NaN where it was not measured. */
double pl_sensitivity_of_result(pl_lab *lab, const pl_state *state, pl_id result);
/* The same for the estimate. */
double pl_estimate_of_result(pl_lab *lab, const pl_state *state, pl_id result);
/* How losses were measured; {0}: not known yet.  The caller deinits `said`. */
typedef struct pl_sensitivity_way {
    pl_id how;
    pl_buf said; /* the command */
} pl_sensitivity_way;

/* Whether those of all layers compare: measured (or estimated) on the same windows of one text, and
 * as *way says, which is set by the first that is found (NULL: of this state alone).  PL_ERR_STATE
 * with `who` and two of the commands where not. */
PL_NODISCARD pl_status pl_sensitivity_check(pl_lab *lab, const pl_state *state, const char *who,
                                            bool estimated, pl_sensitivity_way *way, pl_error *err);
/* The commands that measured or estimated the losses of the state's layers, each once, a line each,
 * appended. */
void pl_sensitivity_commands(pl_lab *lab, const pl_state *state, pl_buf *out);

/* Spearman's rank correlation of x[n] and y[n] over the pairs where both are finite, equal values
 * sharing their mean rank; NaN for fewer than three pairs, or where all x or all y are equal. */
PL_NODISCARD pl_status pl_rank_correlation(const double *x, const double *y, size_t n, double *out,
                                           pl_error *err);

#endif
