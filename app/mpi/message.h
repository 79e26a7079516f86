/* app/mpi/message.h -- what ranks tell each other: a header of fixed size, then its payload.
 *
 * Numbers are in the machine's byte order: all ranks of a run are on one kind of machine, and a
 * header from another kind is refused. */
#ifndef PL_APP_MPI_MESSAGE_H
#define PL_APP_MPI_MESSAGE_H

#include "core/io/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pl_message_type {
    /* From rank 0. */
    PL_MSG_SETTING = 1, /* JSON: the state for the units that follow */
    PL_MSG_UNIT,        /* JSON: a unit to compute; number: its number */
    PL_MSG_ANSWER,      /* to HAS and FETCH: flag, and the entry's file */
    PL_MSG_GONE,        /* an entry that rank 0 has removed */
    PL_MSG_REST,        /* a command has ended: drop what units left for later ones */
    PL_MSG_END,         /* flag: a rank has died; do not wait for it */
    /* From the others. */
    PL_MSG_HAS,
    PL_MSG_FETCH,
    PL_MSG_WROTE, /* the entry's file; flag: a sound one stays as it is */
    PL_MSG_REMOVED,
    PL_MSG_DONE, /* number: the unit's; flag: it is computed; else the payload is a sentence */
    PL_MSG_TYPES
} pl_message_type;

enum { PL_MSG_KIND = 32, PL_MSG_HEADER = 112, PL_MSG_PIECE = 1 << 30 };

typedef struct pl_message {
    pl_message_type type;
    bool flag;
    uint64_t number;        /* of the unit */
    double seconds;         /* DONE: the unit took, */
    double waited;          /* of which messages took */
    char kind[PL_MSG_KIND]; /* of the entry */
    pl_id key;              /* of the entry */
    uint64_t peak;          /* DONE: the rank's peak memory so far, bytes */
    uint64_t size;          /* of the payload */
} pl_message;

/* Writes a header. */
void pl_message_put(const pl_message *message, unsigned char out[PL_MSG_HEADER]);

/* Reads one; PL_ERR_FORMAT for anything that a rank of this version does not send.  limit: largest
 * payload. */
PL_NODISCARD pl_status pl_message_get(const unsigned char *bytes, size_t size, uint64_t limit,
                                      pl_message *out, pl_error *err);

#endif
