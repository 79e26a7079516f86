/* app/mpi/ranks.h -- the processes of one mpirun, and what goes between them.  The one includer of
 * mpi.h.
 *
 * MPI carries the data.  It does not say when a rank dies (Debian's Open MPI 4.1 without ULFM: a
 * send to a dead rank succeeds, a receive from it waits for ever), and waiting in it costs a whole
 * processor.  So every rank but 0 also holds a TCP connection to rank 0: its end is the rank's
 * death, and a byte through it says that a message is coming.  Who waits sleeps in poll().
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
    int threads;   /* for each rank: the same everywhere, since sums depend on them */
    bool recovers; /* mpirun goes on where a rank dies */
    int *line;     /* rank 0: [count] descriptors, -1: none or dead.  Others: line[0] */
    char (*host)[PL_RANK_HOST]; /* rank 0: [count] */
    bool lost;                  /* a rank has died */
} pl_ranks;

/* Starts MPI and the lines.  threads: asked for, 0: the processors that the ranks of a host may
 * use, shared among them, and the least of that over all hosts.  PL_ERR_UNSUPPORTED without threads
 * in MPI. */
PL_NODISCARD pl_status pl_ranks_start(int *argc, char ***argv, int threads, pl_ranks *out,
                                      pl_error *err);

/* Ends MPI and the process with this status: without a word to ranks that are dead. */
_Noreturn void pl_ranks_exit(pl_ranks *ranks, int status);

/* Whether a line is there. */
bool pl_ranks_alive(const pl_ranks *ranks, int rank);
/* Closes the line of a rank: from here on it is dead. */
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
