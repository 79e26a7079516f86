/* core/study/tune.h -- chooses parameters of the methods in use unit by unit: by the error on
 * held-out inputs, or by the model's KL divergence.  Worker thread only, but for pl_tune_check and
 * pl_tune_set. */
#ifndef PL_STUDY_TUNE_H
#define PL_STUDY_TUNE_H

#include "core/lab/pool.h"
#include "core/metrics/perplexity.h"
#include "core/study/units.h"

enum { PL_TUNE_PARAMS = 3, PL_TUNE_VALUES = 32, PL_TUNE_CANDIDATES = 64, PL_TUNE_TEXT = 24 };

/* The values of one parameter, as `method` takes them. */
typedef struct pl_tune_param {
    char name[PL_TUNE_TEXT];
    char values[PL_TUNE_VALUES][PL_TUNE_TEXT];
    size_t count;
} pl_tune_param;

/* The candidates are all combinations of the parameters' values, numbered from 1, the last
 * parameter's value changing fastest; candidate 0 is a layer's present setting. */
typedef struct pl_tuning {
    pl_tune_param params[PL_TUNE_PARAMS];
    size_t n_params;
    size_t candidates; /* without candidate 0; set by pl_tune_check */
    bool any_slot;     /* whichever slot's method has the parameters, else `slot` */
    pl_slot slot;
    pl_unit unit;
    bool whole;       /* one candidate for all layers; `unit` is not used */
    const char *glob; /* only layers whose name matches; NULL: all */
    bool by_kl;       /* else by the error on held-out windows of the calibration */
    bool sequential;  /* by_kl: each trial is solved in sequence, as `solve all` does */
    pl_ppl_spec text; /* by_kl: protocol, length, windows */
} pl_tuning;

typedef struct pl_tuned {
    pl_unit_loss *units; /* [count] by name, block, layer, layers */
    size_t count;
    long *unit_of;   /* [layers], -1: in none */
    size_t *chosen;  /* [count] candidate */
    double *loss;    /* [count, candidates + 1].  Held out: the mean of its layers' relative errors;
                        by KL: the model's, with this unit alone moved from what the others were at
                        that step */
    double *uniform; /* [candidates + 1] the same candidate for all units */
    double start, found;    /* the loss of all units together, before and as chosen */
    size_t measured, known; /* numbers measured now; numbers found in the store */
} pl_tuned;

/* Index of the least of loss[n], of equal ones the first, so that the present setting stays where
 * no candidate is better.  NaN counts as none; 0 where all are NaN. */
size_t pl_tune_least(const double *loss, size_t n);

/* Checks that there are layers with these parameters, and that they take every value.
 * PL_ERR_USAGE, PL_ERR_STATE or PL_ERR_NOT_FOUND with a sentence. */
PL_NODISCARD pl_status pl_tune_check(const pl_state *state, pl_tuning *tuning, pl_error *err);

/* Held out: every layer is solved with every candidate on the calibration's windows 0, 2, 4, ...,
 * and the relative error of its rounded weights is taken on the inputs of the windows 1, 3, 5, ...
 *
 * By KL: coordinate search.  First each candidate is tried for all units.  Then, from the best, the
 * units of one block (or one role) are tried one by one with every candidate, then the best of each
 * together; the next block starts from the best of all these trials.  So the model's KL divergence
 * on the text's tokens ids[count] never rises.
 *
 * Measurements stay in the store, so that an interrupted run goes on.  Progress in "trials".
 * PL_ERR_USAGE where a transform's parameter is to differ between layers of one input.  Caller
 * deinits *out. */
PL_NODISCARD pl_status pl_tune_run(pl_context cx, const pl_tuning *tuning, const int32_t *ids,
                                   size_t count, pl_tuned *out, pl_error *err);
void pl_tuned_deinit(pl_tuned *tuned);

/* For a pool: some of the candidates of some layers held out; some of the trials by KL, and of the
 * solves that these use. */
extern const pl_unit_kind pl_unit_tune_heldout, pl_unit_tune_trials, pl_unit_tune_solves;

/* Gives each layer its candidate, given[layers of the model], 0: none (pl_state_give). */
PL_NODISCARD pl_status pl_tune_set(pl_state *state, const pl_tuning *tuning, const int *given,
                                   pl_error *err);

/* The candidate of a layer in words, "0.35" of one parameter, "beta=0.0001 damping=0.02" of
 * several; appended. */
void pl_tune_say(const pl_state *state, const pl_tuning *tuning, size_t layer, size_t candidate,
                 pl_buf *out);

#endif
