/* app/mpi/worker.h -- what every rank but 0 does: it computes units until it is told to end, or
 * rank 0 is gone. */
#ifndef PL_APP_MPI_WORKER_H
#define PL_APP_MPI_WORKER_H

#include "app/mpi/ranks.h"
#include "app/options.h"

/* The process's exit status. */
int pl_rank_work(pl_ranks *ranks, const pl_options *options);

#endif
