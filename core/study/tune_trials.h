/* core/study/tune_trials.h -- trials of a search by KL divergence, each of one candidate for every
 * unit: their models, keys and measurements.  Private to core/study. */
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
    pl_hooks *hooks;         /* [k]; of each candidate's whole state */
    size_t n_quantized;
    size_t *base, *best; /* [units] candidates that trials start from; the best trial's */
    double base_loss, best_loss;
    bool has_base;  /* base_loss is known */
    size_t *trials; /* [most, units] */
    double *loss;   /* [most] */
    size_t n_trials, most;
    pl_id *keys;    /* [most] */
    size_t *wanted; /* [most] trials that the store does not have */
    size_t n_wanted;
    pl_id common;
    pl_id results; /* key of all candidates' results in the store, for units; zeros: not there */
    pl_mixed of_base, of_trial;
    pl_hooks base_hooks, trial_hooks;
    pl_piece piece;
} pl_search;

/* Allocates the arrays for the tuner's units and states, and hashes what all its keys share. */
PL_NODISCARD pl_status pl_search_init(pl_search *s, pl_tuner *t, pl_error *err);
void pl_search_deinit(pl_search *s);

/* Whether two units are tried together: they are of one block. */
bool pl_search_together(const pl_search *s, size_t a, size_t b);

/* Makes the hooks of every candidate's model, whose layers are solved; not for trials in
 * sequence. */
PL_NODISCARD pl_status pl_search_hooks(pl_search *s, pl_error *err);

/* Where there is a pool: puts the candidates' results into the store for its units. */
PL_NODISCARD pl_status pl_search_tell_results(pl_search *s, pl_error *err);

/* Measures s->trials[n_trials], or finds them in the store, to s->loss; keeps the best of all in
 * s->best. */
PL_NODISCARD pl_status pl_trials_measure(pl_search *s, pl_error *err);

#endif
