/* app/front.h -- what batch and screen share: worker, lab, state and session of one run. */
#ifndef PL_APP_FRONT_H
#define PL_APP_FRONT_H

#include "app/command.h"
#include "app/interrupts.h"
#include "app/options.h"
#include "core/jobs/worker.h"
#include "sessions/session.h"

struct pl_front {
    pl_worker *worker;
    pl_lab *lab;
    const pl_pool *pool; /* of the lab, or NULL */
    pl_session *session; /* NULL: none */
    bool named;          /* --session named it: it stays, whatever model is open */
    int threads;         /* that compute */
    pl_id print;         /* if it is not named: pl_source.print of its model */
    pl_state state;
    pl_interrupts *interrupts; /* cancels a running call; or NULL */
    pl_error notice;           /* which part of the session is not used; PL_OK: none */
};

/* Starts the worker with its threads, and opens the store and `session` (NULL: none), whose last
 * state is restored unless the options name a model. */
PL_NODISCARD pl_status pl_front_open(const pl_options *options, const char *session, pl_front *out,
                                     pl_error *err);
void pl_front_close(pl_front *front);

/* Replaces the run's session by another one (NULL: none), and closes it. */
void pl_front_keep(pl_front *front, pl_session *session);
/* PL_ERR_STATE, with what to do instead, where there is no session or it is only read; what: the
 * command that asks. */
PL_NODISCARD pl_status pl_front_need_kept(const pl_front *front, const char *what, pl_error *err);

/* Replaces the present state, and notes what in the new one belongs to another model. */
void pl_front_take_state(pl_front *front, pl_state *state);

/* The state that a session's record describes: opens its model's headers, computes nothing. same:
 * the same model, which may lie at another path now; or NULL.  *out is initialised on
 * success only. */
PL_NODISCARD pl_status pl_front_revive(const json_t *record, const pl_source *same, pl_state *out,
                                       pl_error *err);

/* Runs a call to its end on the worker and applies it, opening the demo first where it needs a
 * model and none is open.  progress is shown on stderr if show_progress. */
PL_NODISCARD pl_status pl_front_execute(pl_front *front, pl_call *call, bool show_progress,
                                        pl_error *err);

/* Records an ended call in the session, if there is one. */
PL_NODISCARD pl_status pl_front_record(pl_front *front, const pl_call *call, pl_status status,
                                       const pl_error *failure, pl_error *err);

/* Opens a model (NULL: the demo) as `open` does, without a record. */
PL_NODISCARD pl_status pl_front_open_model(pl_front *front, const char *path, pl_error *err);

/* app/batch.c: runs MODEL, -c and --batch; the process's exit status. */
int pl_batch_run(const pl_options *options);

#endif
