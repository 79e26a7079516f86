/* app/workbench/measuring.h -- the last measured perplexity of the solved model. */
#ifndef PL_APP_WORKBENCH_MEASURING_H
#define PL_APP_WORKBENCH_MEASURING_H

#include "app/command.h"
#include "views/screen_model.h"

typedef struct pl_measuring {
    pl_measured measured;
    char command[600]; /* the command that measured last; "": none yet */
} pl_measuring;

/* Another model is open. */
void pl_measuring_reset(pl_measuring *measuring);

/* Takes the perplexity of a call that brings one (pl_brings); false if it is not of the solved
 * model.  said: the result as a sentence, appended. */
bool pl_measuring_take(pl_measuring *measuring, const pl_call *call, pl_buf *said);

/* The perplexity of the state's setting, or else the newest of another setting, marked stale and
 * with its name; NULL: nothing was measured. */
const pl_measured *pl_measuring_of(pl_measuring *measuring, const pl_state *state);

#endif
