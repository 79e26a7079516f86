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

/* --- tune_params.c --------------------------------------------------------------------------- */

/* Where a parameter is in a layer's methods: PL_ERR_USAGE where none has it, or two have. */
PL_NODISCARD pl_status pl_tune_find_param(const pl_state *state, const pl_tuning *tuning,
                                          size_t layer, const char *name, pl_slot *slot,
                                          pl_error *err);
/* Flags the layers that the parameters are of: tuned[layers]. */
PL_NODISCARD pl_status pl_tune_find_layers(const pl_state *state, const pl_tuning *tuning,
                                           bool *tuned, pl_error *err);

/* --- tune_tuner.c ---------------------------------------------------------------------------- */

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

/* Notes a number that the pool will make; `again`: also where it was noted before, since it is
 * found once more. */
PL_NODISCARD pl_status pl_tune_ask(pl_tuner *t, pl_id key, bool again, pl_error *err);

/* --- for a pool (tune_units.c) ---------------------------------------------------------------- */

/* The work of a unit.  what: its description, whose "layers", if any, are layers of the model. */
typedef pl_status pl_tune_work(pl_tuner *t, const json_t *what, pl_error *err);

/* Does it with the tuner that the description tells of. */
PL_NODISCARD pl_status pl_tune_unit(pl_context cx, const json_t *what, pl_tune_work *work,
                                    pl_error *err);

/* Adds what all units share to those of a list, and has the pool run them. */
PL_NODISCARD pl_status pl_tune_run_units(pl_tuner *t, const pl_unit_kind *kind, json_t *list,
                                         pl_task *task, pl_error *err);

/* --- the ways to tune ------------------------------------------------------------------------ */

/* Each fills out->loss, uniform, chosen, start and found. */
PL_NODISCARD pl_status pl_tune_heldout(pl_tuner *t, pl_error *err);
PL_NODISCARD pl_status pl_tune_kl(pl_tuner *t, pl_error *err);

#endif
