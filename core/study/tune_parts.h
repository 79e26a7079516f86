/* core/study/tune_parts.h -- what the ways to tune share; private to core/study. */
#ifndef PL_STUDY_TUNE_PARTS_H
#define PL_STUDY_TUNE_PARTS_H

#include "core/study/piece.h"
#include "core/study/tune.h"

typedef struct pl_tuner {
    pl_context cx;
    const pl_tuning *tuning;
    const int32_t *ids; /* [n_ids] */
    size_t n_ids;
    pl_tuned *out;
    pl_state *states; /* [candidates + 1] the state with that candidate for all units */
    size_t n_states;
    pl_id *asked; /* [n_asked] keys of numbers that a pool was asked for: found, they count as
                     measured.  Zeros: found */
    size_t n_asked, room_asked;
    pl_id tokens; /* the text in the store, for units; zeros: not yet */
} pl_tuner;

/* Units and states of a tuning that is checked, into *out; cx, tuning, ids and out are set.  To be
 * ended also after a failure. */
PL_NODISCARD pl_status pl_tuner_begin(pl_tuner *t, pl_error *err);
void pl_tuner_end(pl_tuner *t);

/* A number by what it comes from, in the store. */
bool pl_tune_recall(const pl_tuner *t, pl_id key, double *value);
PL_NODISCARD pl_status pl_tune_keep(const pl_tuner *t, pl_id key, const char *what, double value,
                                    pl_error *err);
/* Whether it is there, uncounted. */
bool pl_tune_has(const pl_tuner *t, pl_id key);

/* Each fills out->loss, uniform, chosen, start and found. */
PL_NODISCARD pl_status pl_tune_heldout(pl_tuner *t, pl_error *err);
PL_NODISCARD pl_status pl_tune_kl(pl_tuner *t, pl_error *err);

/* --- for a pool (tune_units.c) ---------------------------------------------------------------- */

/* Before the pool makes a number: once more if it is found more than once and `again`. */
PL_NODISCARD pl_status pl_tune_ask(pl_tuner *t, pl_id key, bool again, pl_error *err);

/* Completes the units of a list, which have what is their own, and has them run. */
PL_NODISCARD pl_status pl_tune_run_units(pl_tuner *t, const pl_unit_kind *kind, const char *part,
                                         json_t *list, pl_task *task, pl_error *err);

/* What units do.  layers: some of the model's, array of numbers.  keys: of the halves. */
PL_NODISCARD pl_status pl_tune_heldout_some(pl_tuner *t, const pl_id keys[2], const json_t *layers,
                                            pl_error *err);
PL_NODISCARD pl_status pl_tune_solve_some(pl_tuner *t, const json_t *layers, pl_error *err);
PL_NODISCARD pl_status pl_tune_try_some(pl_tuner *t, const json_t *what, pl_error *err);

#endif
