/* app/workbench/scores.h -- the scores of all layers, for the layer list. */
#ifndef PL_APP_WORKBENCH_SCORES_H
#define PL_APP_WORKBENCH_SCORES_H

#include "app/command.h"
#include "core/study/layer_table.h"
#include "views/screen_model.h"

typedef struct pl_scores {
    pl_overview overview; /* n: 0 before a model is open */
    bool *scored;         /* [overview.n] */
    bool failed;          /* nothing more is asked for */
    uint64_t changes;     /* counts how often unchanged results got more numbers */
} pl_scores;

/* For another model (NULL: none).  Out of memory: n stays 0. */
void pl_scores_reset(pl_scores *scores, const pl_source *source);
void pl_scores_deinit(pl_scores *scores);

/* The calibration has changed: drops scores of inputs, and computes all again. */
void pl_scores_forget(pl_scores *scores);

/* Computes all again; the present scores stay until then. */
void pl_scores_again(pl_scores *scores);
/* Computes layers whose results have changed again. */
void pl_scores_renew(pl_scores *scores, const pl_state *state);

/* The next piece without scores, of at most `most` layers, going around from layer `from`; returns
 * its size, 0: none. */
size_t pl_scores_next(const pl_scores *scores, size_t from, size_t most, size_t *first);
void pl_scores_take(pl_scores *scores, size_t first, size_t count, const pl_layer_row *found);
/* Scores cannot be computed, or (false) may be tried again. */
void pl_scores_fail(pl_scores *scores, bool failed);

/* Takes the numbers of the layers that a call has solved. */
void pl_scores_keep_solved(pl_scores *scores, const pl_call *call);

#endif
