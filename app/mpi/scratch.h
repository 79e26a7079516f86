/* app/mpi/scratch.h -- a folder for one process below $TMPDIR (else /tmp), removed at its end.
 *
 * A process that dies leaves its folder; the next one on the host removes it. */
#ifndef PL_APP_MPI_SCRATCH_H
#define PL_APP_MPI_SCRATCH_H

#include "core/base/text.h"

typedef struct pl_scratch {
    pl_buf path;
    int fd; /* holds the folder's lock */
} pl_scratch;

PL_NODISCARD pl_status pl_scratch_create(pl_scratch *out, pl_error *err);
/* Removes it with all that is in it. */
void pl_scratch_remove(pl_scratch *scratch);

#endif
