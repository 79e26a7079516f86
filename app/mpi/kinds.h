/* app/mpi/kinds.h -- the kinds of units that workers compute, by name. */
#ifndef PL_APP_MPI_KINDS_H
#define PL_APP_MPI_KINDS_H

#include "core/lab/pool.h"

/* NULL where there is none. */
const pl_unit_kind *pl_unit_kind_find(const char *name);

#endif
