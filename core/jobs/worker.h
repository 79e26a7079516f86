/* core/jobs/worker.h -- the one thread that computes, its queue, and the events it posts.
 *
 * The worker owns BLAS and OpenMP.  Jobs run one after another; an urgent one that arrives while
 * an ordinary one runs is run whole at the ordinary one's next tick (task.h), which then goes on.
 * Events wake poll() through a pipe.  Batch drains the same queue. */
#ifndef PL_JOBS_WORKER_H
#define PL_JOBS_WORKER_H

#include "core/base/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_worker pl_worker;

/* Runs on the worker.  arg belongs to the job until its done event has been taken. */
typedef pl_status (*pl_job_fn)(void *arg, pl_task *task, pl_error *err);

typedef enum pl_urgency { PL_JOB_ORDINARY, PL_JOB_URGENT } pl_urgency;

typedef struct pl_job_event {
    uint64_t job;
    bool done; /* false: progress */
    char name[48];
    char what[24]; /* unit of the pass that runs, e.g. "tokens" */
    double amount, total;
    double share;     /* of the whole job, 0 ... 1: never less than before (progress.h) */
    bool learns;      /* steps are being learned, as a pass or within one */
    double seconds;   /* since the job started */
    pl_status status; /* when done */
    pl_error error;
    void *arg; /* the submitted one, when done */
} pl_job_event;

PL_NODISCARD pl_status pl_worker_create(pl_worker **out, pl_error *err);

/* Cancels everything, waits for the running piece to end (at most about 50 ms), joins.  Jobs whose
 * done event was not taken are handed to drop(arg) if drop is not NULL. */
void pl_worker_destroy(pl_worker *worker, void (*drop)(void *arg));

/* Readable when an event waits. */
int pl_worker_fd(const pl_worker *worker);

/* Returns the job's number (from 1), 0 when memory is out.  name: a short word for the job list.
 * unit: what the job's progress is counted in (progress.h), a string that stays, or NULL. */
uint64_t pl_worker_submit(pl_worker *worker, pl_urgency urgency, const char *name, const char *unit,
                          pl_job_fn fn, void *arg);
/* A running job ends at its next tick; one that waits ends now, its event "cancelled" is posted. */
void pl_worker_cancel(pl_worker *worker, uint64_t job);

/* Takes the oldest event; false if none waits.  Progress of one job is coalesced. */
bool pl_worker_next(pl_worker *worker, pl_job_event *event);

/* Wakes who polls the descriptor though no event waits: a running job has something to show.  Any
 * thread. */
void pl_worker_wake(pl_worker *worker);

/* Blocks until an event waits. */
void pl_worker_wait(pl_worker *worker);

#endif
