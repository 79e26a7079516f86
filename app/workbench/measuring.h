/* app/workbench/measuring.h -- perplexity as it was last measured of the solved model. */
#ifndef PL_APP_WORKBENCH_MEASURING_H
#define PL_APP_WORKBENCH_MEASURING_H

#include "app/command.h"
#include "views/screen_model.h"

typedef struct pl_measuring {
    pl_measured measured;
    bool have;
    pl_id weights;     /* identity of the solved weights it is of */
    char command[600]; /* that measured them, "" for none yet */
} pl_measuring;

/* Another model is open. */
void pl_measuring_reset(pl_measuring *measuring);

/* What a call that brings a perplexity (pl_brings) has measured on that state; false where it was
 * not of the solved model.  said: the result as a sentence, appended. */
bool pl_measuring_take(pl_measuring *measuring, const pl_call *call, const pl_state *state,
                       pl_buf *said);

/* NULL: nothing has been measured.  Marked stale where the state has other solved weights. */
const pl_measured *pl_measuring_of(pl_measuring *measuring, const pl_state *state);

#endif
