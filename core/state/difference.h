/* core/state/difference.h -- what a step changes, and what no step is about. */
#ifndef PL_STATE_DIFFERENCE_H
#define PL_STATE_DIFFERENCE_H

#include "core/state/state.h"

/* What is other in `to` than in `from`, for a person: "method gptq bits=4 → bits=3"; several things
 * are separated by "; ".  Appended. */
void pl_state_put_difference(const pl_state *from, const pl_state *to, pl_buf *out);

/* *to is looked at as *from is: layer, side, marked channel, panes; unless that is all in which
 * they differ. */
void pl_state_keep_looks(pl_state *to, const pl_state *from);

#endif
