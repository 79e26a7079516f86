/* core/lab/context.h -- where a computation runs and what it is about, as one value.
 *
 * It owns nothing: the lab, the state and the task are borrowed for the call that gets it, and live
 * longer than the call (a struct that keeps a context lives no longer than they do).  It is passed
 * by value, so who needs another state or task changes a copy: the caller's stays as it is.  An
 * error belongs to its own call and comes last, as everywhere. */
#ifndef PL_LAB_CONTEXT_H
#define PL_LAB_CONTEXT_H

#include "core/base/task.h"
#include "core/state/state.h"

typedef struct pl_lab pl_lab; /* core/lab/lab.h */

typedef struct pl_context {
    pl_lab *lab;           /* the worker's; NULL where nothing is stored or read */
    const pl_state *state; /* the session's, or a variant of it; not changed */
    pl_task *task;         /* cancellation and progress; NULL: neither */
} pl_context;

/* The same lab and task with another state. */
static inline pl_context pl_with_state(pl_context cx, const pl_state *state)
{
    cx.state = state;
    return cx;
}

#endif
