/* core/state/difference.h -- what a step changes, and the looks that no step changes. */
#ifndef PL_STATE_DIFFERENCE_H
#define PL_STATE_DIFFERENCE_H

#include "core/state/state.h"

/* How `to` differs from `from`, for a person: "method gptq bits=4 → bits=3"; several things are
 * separated by "; ".  Appended. */
void pl_state_put_difference(const pl_state *from, const pl_state *to, pl_buf *out);

/* Gives *to the looks of *from (layer, side, marked channel, panes), unless they differ in nothing
 * else. */
void pl_state_keep_looks(pl_state *to, const pl_state *from);

#endif
