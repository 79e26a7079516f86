/* app/mpi/entries.h -- a list of entries of the store, by kind and key. */
#ifndef PL_APP_MPI_ENTRIES_H
#define PL_APP_MPI_ENTRIES_H

#include "app/mpi/message.h"

typedef struct pl_entry_name {
    char kind[PL_MSG_KIND];
    pl_id key;
} pl_entry_name;

typedef struct pl_entries {
    pl_entry_name *list; /* [count], the owner's to free */
    size_t count, room;
    bool failed; /* an entry is missing for lack of memory */
} pl_entries;

bool pl_entries_have(const pl_entries *of, const char *kind, pl_id key);
void pl_entries_add(pl_entries *to, const char *kind, pl_id key);

#endif
