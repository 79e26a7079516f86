/* core/base/task.h -- what a long computation owes its surroundings: cancellation, progress, and
 * giving way to more urgent work.
 *
 * A long routine calls pl_task_tick between pieces of at most about 10 ms (width 576) or 50 ms
 * (width 4096), outside any OpenMP region.  The tick tests the cancel flag and then lets the owner
 * give way: the worker runs an interactive solve there, whole, before a calibration goes on.  So
 * urgent work never waits for a long job and no routine needs to be cut into a hand-made state
 * machine.  A routine must hold no lock and leave no shared data half-changed at a tick.
 * A NULL task is legal everywhere: never cancelled, nobody informed. */
#ifndef PL_BASE_TASK_H
#define PL_BASE_TASK_H

#include "core/base/error.h"

#include <stdatomic.h>

typedef struct pl_task {
    atomic_bool cancel; /* set by any thread */
    /* Called by every tick on the computing thread; may be NULL. */
    void (*give_way)(void *ctx);
    /* Called when progress is made: done of total (units named by `what`, e.g. "tokens"). */
    void (*progress)(void *ctx, const char *what, double done, double total);
    void *ctx;
} pl_task;

/* PL_ERR_CANCELLED once cancel is set. */
PL_NODISCARD pl_status pl_task_tick(pl_task *task, pl_error *err);

/* Reports progress; never fails, costs nothing without a listener. */
void pl_task_progress(pl_task *task, const char *what, double done, double total);

#endif
