/* app/mpi/pool.h -- the pool of rank 0, whose units all ranks compute, rank 0 among them.
 *
 * A thread serves the others: it hands out units, sends entries of the store, and receives new
 * ones.  The unit of a rank that dies goes back to the queue. */
#ifndef PL_APP_MPI_POOL_H
#define PL_APP_MPI_POOL_H

#include "app/mpi/ranks.h"
#include "core/lab/pool.h"

#include <stdio.h>

typedef struct pl_rank_pool pl_rank_pool;

/* trace: a file that gets a line of JSON for each unit, or NULL; both borrowed. */
PL_NODISCARD pl_status pl_rank_pool_create(pl_ranks *ranks, FILE *trace, pl_rank_pool **out,
                                           pl_error *err);
/* Tells the other ranks to end. */
void pl_rank_pool_destroy(pl_rank_pool *pool);

/* For the lab; lives as long as the pool. */
const pl_pool *pl_rank_pool_use(pl_rank_pool *pool);

#endif
