/* core/lab/pool.h -- a pool of workers that runs units of a command's work.
 *
 * A unit is a piece of what a command computes whose result is an entry of the store.  Whoever can
 * cut a command into units asks the pool for them, and then computes as ever: what the pool has
 * made is found in the store, what it has not (there is none, a worker is gone, a unit fails there)
 * is made here, and so is every error sentence.  A command never depends on its pool, and its bytes
 * do not either.  Worker thread only. */
#ifndef PL_LAB_POOL_H
#define PL_LAB_POOL_H

#include "core/lab/lab.h"

#include <jansson.h>
#include <stdbool.h>

/* A kind of unit; each is listed where workers look it up (app/mpi/kinds.c). */
typedef struct pl_unit_kind {
    const char *name;     /* "solve" */
    const char *counting; /* what its progress is counted in, as the command's: "layers" */
    bool walks; /* it goes on with a walk that a unit of its kind has left in the lab, or lets it
                   be; any other kind drops them (walk_units.h) */
    bool whole; /* it removes most of what it makes, so that a worker sends the rest at its end */
    /* Computes the unit that `what` describes, into the lab's store.  answer: an object for what
     * the command must know of it beside the entries. */
    pl_status (*run)(pl_context cx, const json_t *what, json_t *answer, pl_error *err);
} pl_unit_kind;

enum { PL_NO_HOME = -1 };

/* Units of one kind, of one state, that may run in any order. */
struct pl_units {
    const pl_unit_kind *kind;
    json_t *list;       /* array of what each is; a number "cost" in it is how long it takes,
                                    by any measure: the dearest go first */
    json_t *answers;    /* out: array of what each answered, null where it left nothing; of no
                           units without a pool; the caller's to decref */
    int *home;          /* NULL, or of each unit which worker is to run it, PL_NO_HOME: any; out:
                           that did.  Another one does if that is gone */
    double done, total; /* progress when they begin, and of the whole command: kind->counting */
};

/* How many workers a command's units are cut for: 1 without a pool. */
size_t pl_pool_workers(const pl_lab *lab);

/* Runs units, and frees their list.  Without a pool, or for fewer than two: does nothing. */
PL_NODISCARD pl_status pl_pool_run(pl_context cx, pl_units *units, pl_error *err);

/* What units are about as an entry of the store, so that each can name it, until it is dropped; and
 * the way back, *out the caller's to free.  Numbers are as they lie in memory. */
PL_NODISCARD pl_status pl_pool_put_bytes(pl_lab *lab, const void *bytes, size_t size, pl_id *key,
                                         pl_error *err);
PL_NODISCARD pl_status pl_pool_get_bytes(pl_lab *lab, pl_id key, void **out, size_t *size,
                                         pl_error *err);
void pl_pool_drop_bytes(pl_lab *lab, pl_id key);

/* The same of a text's tokens. */
PL_NODISCARD pl_status pl_pool_put_tokens(pl_lab *lab, const int32_t *ids, size_t count, pl_id *key,
                                          pl_error *err);
PL_NODISCARD pl_status pl_pool_get_tokens(pl_lab *lab, pl_id key, int32_t **ids, size_t *count,
                                          pl_error *err);

/* A key within a unit's description, and read back; zeros where it is none. */
json_t *pl_pool_id(pl_id id);
pl_id pl_pool_read_id(const json_t *what, const char *name);

/* A size within a unit's description; 0 where the number there is missing or negative. */
size_t pl_pool_read_size(const json_t *what, const char *name);

#endif
