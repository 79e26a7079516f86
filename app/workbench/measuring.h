/* app/workbench/measuring.h -- perplexity as it was last measured of the solved model. */
#ifndef PL_APP_WORKBENCH_MEASURING_H
#define PL_APP_WORKBENCH_MEASURING_H

#include "app/command.h"
#include "views/screen_model.h"

typedef struct pl_measuring {
    pl_measured measured;
    char command[600]; /* that measured last, "" for none yet */
} pl_measuring;

/* Another model is open. */
void pl_measuring_reset(pl_measuring *measuring);

/* A call that brings a perplexity (pl_brings) has measured; false where it was not of the solved
 * model.  said: the result as a sentence, appended. */
bool pl_measuring_take(pl_measuring *measuring, const pl_call *call, pl_buf *said);

/* The perplexity of the state's setting; where there is none, the newest of another one, marked
 * stale and with its name; NULL: nothing has been measured. */
const pl_measured *pl_measuring_of(pl_measuring *measuring, const pl_state *state);

#endif
