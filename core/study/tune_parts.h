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
    pl_id *asked; /* [n_asked] keys of numbers that a pool was asked for, which count as measured
                     when they are found; zeros: counted already */
    size_t n_asked, room_asked;
    pl_id tokens; /* the text in the store, for units; zeros: not yet */
} pl_tuner;

/* Fills units and states of a checked tuning; cx, tuning, ids and out are set.  The caller calls
 * pl_tuner_end, also after a failure. */
PL_NODISCARD pl_status pl_tuner_begin(pl_tuner *t, pl_error *err);
void pl_tuner_end(pl_tuner *t);

/* A number in the store, under its key. */
bool pl_tune_recall(const pl_tuner *t, pl_id key, double *value);
PL_NODISCARD pl_status pl_tune_keep(const pl_tuner *t, pl_id key, const char *what, double value,
                                    pl_error *err);
/* Whether the store has it; counts nothing. */
bool pl_tune_has(const pl_tuner *t, pl_id key);

/* Each fills out->loss, uniform, chosen, start and found. */
PL_NODISCARD pl_status pl_tune_heldout(pl_tuner *t, pl_error *err);
PL_NODISCARD pl_status pl_tune_kl(pl_tuner *t, pl_error *err);

/* --- for a pool (tune_units.c) ---------------------------------------------------------------- */

/* Notes a number that the pool will make; `again`: also where it was noted before, since it is
 * found once more. */
PL_NODISCARD pl_status pl_tune_ask(pl_tuner *t, pl_id key, bool again, pl_error *err);

/* Adds what all units share to those of a list, and has the pool run them. */
PL_NODISCARD pl_status pl_tune_run_units(pl_tuner *t, const pl_unit_kind *kind, const char *part,
                                         json_t *list, pl_task *task, pl_error *err);

/* The work of a unit.  layers: array of layers' numbers.  keys: of the calibration's halves. */
PL_NODISCARD pl_status pl_tune_heldout_some(pl_tuner *t, const pl_id keys[2], const json_t *layers,
                                            pl_error *err);
PL_NODISCARD pl_status pl_tune_solve_some(pl_tuner *t, const json_t *layers, pl_error *err);
PL_NODISCARD pl_status pl_tune_try_some(pl_tuner *t, const json_t *what, pl_error *err);

#endif
