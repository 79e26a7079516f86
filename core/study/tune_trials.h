/* core/study/tune_trials.h -- trials of a search by KL divergence, each one a candidate for every
 * unit: their models, their keys, how they are measured.  Private to core/study. */
#ifndef PL_STUDY_TUNE_TRIALS_H
#define PL_STUDY_TUNE_TRIALS_H

#include "core/lab/quantized.h"
#include "core/study/tune_parts.h"

/* Weights and inputs of a model whose units have different candidates. */
typedef struct pl_mixed {
    const struct pl_search *s;
    const size_t *choice; /* [units] */
} pl_mixed;

typedef struct pl_search {
    pl_tuner *t;
    const pl_model *model;
    size_t units, k;         /* k: candidates + 1 */
    pl_quantized *quantized; /* [k] */
    pl_hooks *hooks;         /* [k]; of the states as a whole */
    size_t n_quantized;
    size_t *base, *best; /* [units] what trials differ from, and the best of all trials */
    double base_loss, best_loss;
    bool has_base;  /* base_loss is known */
    size_t *trials; /* [most, units] */
    double *loss;   /* [most] */
    size_t n_trials, most;
    pl_id *keys;    /* [most] */
    size_t *wanted; /* [most] trials that the store does not have */
    size_t n_wanted;
    pl_id common;
    pl_id results; /* of all candidates in the store, for units; zeros: not there */
    pl_mixed of_base, of_trial;
    pl_hooks base_hooks, trial_hooks;
    pl_piece piece;
} pl_search;

/* Its arrays, for the tuner's units and states; hash: of what its numbers have in common. */
PL_NODISCARD pl_status pl_search_init(pl_search *s, pl_tuner *t, pl_error *err);
void pl_search_deinit(pl_search *s);

/* Whether two units are tried together: those of a block. */
bool pl_search_together(const pl_search *s, size_t a, size_t b);

/* Hooks of every candidate's model, whose layers are solved; not in sequence. */
PL_NODISCARD pl_status pl_search_hooks(pl_search *s, pl_error *err);

/* Where there is a pool: the results that candidates are solved to, for its units. */
PL_NODISCARD pl_status pl_search_tell_results(pl_search *s, pl_error *err);

/* Measures s->trials[n_trials] around the base, to s->loss, or finds them in the store; the best of
 * all stays in s->best. */
PL_NODISCARD pl_status pl_trials_measure(pl_search *s, pl_error *err);

#endif
