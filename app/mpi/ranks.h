/* app/mpi/ranks.h -- the processes of one mpirun, and their messages.  The only includer of mpi.h.
 *
 * MPI carries the data.  It does not say when a rank dies (Debian's Open MPI 4.1 without ULFM: a
 * send to a dead rank succeeds, a receive from it waits for ever), and waiting in it costs a whole
 * processor.  So every rank but 0 also holds a TCP connection to rank 0: when it ends, the rank is
 * dead, and a byte on it announces a message.  Waiting ranks sleep in poll().
 *
 * Each rank calls this from one thread at a time. */
#ifndef PL_APP_MPI_RANKS_H
#define PL_APP_MPI_RANKS_H

#include "app/mpi/message.h"

#include <stdbool.h>
#include <stddef.h>

enum { PL_RANK_HOST = 64 };

typedef struct pl_ranks {
    int rank, count;
    int local;     /* ranks on this host */
    int threads;   /* of each rank: the same everywhere, since sums depend on it */
    bool recovers; /* mpirun goes on when a rank dies */
    int *line;     /* rank 0: [count] descriptors, -1: none or dead.  Others: line[0] */
    char (*host)[PL_RANK_HOST]; /* rank 0: [count] */
    bool lost;                  /* a rank has died */
} pl_ranks;

/* Starts MPI and the lines.  threads: for each rank; 0: a host's processors divided by its ranks,
 * the least over all hosts.  PL_ERR_UNSUPPORTED without threads in MPI. */
PL_NODISCARD pl_status pl_ranks_start(int *argc, char ***argv, int threads, pl_ranks *out,
                                      pl_error *err);

/* Ends MPI and the process with this status, without waiting for dead ranks. */
_Noreturn void pl_ranks_exit(pl_ranks *ranks, int status);

/* Whether there is a line to the rank. */
bool pl_ranks_alive(const pl_ranks *ranks, int rank);
/* Closes the line to a rank, which counts as dead from here on. */
void pl_ranks_drop(pl_ranks *ranks, int rank);

/* Waits until messages come, a rank dies, or fd (-1: none) is readable; at most for so many
 * milliseconds (-1: as long as it takes). */
void pl_ranks_wait(const pl_ranks *ranks, int fd, int milliseconds);

/* Takes the next message of a rank, if one is there: *came.  *payload: [message->size + 1] the
 * caller's, NUL-terminated, or NULL where there is none.  limit: of a payload.  PL_ERR_IO where the
 * rank is dead; it is dropped then. */
PL_NODISCARD pl_status pl_ranks_take(pl_ranks *ranks, int rank, uint64_t limit, bool *came,
                                     pl_message *message, char **payload, pl_error *err);

/* Sends a message of message->size bytes.  PL_ERR_IO where the rank is dead; it is dropped then. */
PL_NODISCARD pl_status pl_ranks_send(pl_ranks *ranks, int rank, const pl_message *message,
                                     const void *payload, pl_error *err);

/* The library and its version, for --version. */
void pl_ranks_library(char *out, size_t size);

#endif
