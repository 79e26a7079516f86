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
} pl_tuner;

/* A number by what it comes from, in the store. */
bool pl_tune_recall(const pl_tuner *t, pl_id key, double *value);
PL_NODISCARD pl_status pl_tune_keep(const pl_tuner *t, pl_id key, const char *what, double value,
                                    pl_error *err);

/* Each fills out->loss, uniform, chosen, start and found. */
PL_NODISCARD pl_status pl_tune_heldout(pl_tuner *t, pl_error *err);
PL_NODISCARD pl_status pl_tune_kl(pl_tuner *t, pl_error *err);

#endif
