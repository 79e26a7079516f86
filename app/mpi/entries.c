#include "app/mpi/entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pl_entries_have(const pl_entries *of, const char *kind, pl_id key)
{
    for (size_t i = 0; i < of->count; i++) {
        if (pl_id_equal(of->list[i].key, key) && strcmp(of->list[i].kind, kind) == 0) {
            return true;
        }
    }
    return false;
}

void pl_entries_add(pl_entries *to, const char *kind, pl_id key)
{
    if (to->count == to->room) {
        const size_t room = 2 * to->room + 64;
        pl_entry_name *more = realloc(to->list, room * sizeof *more);
        to->failed = to->failed || more == NULL;
        if (more == NULL) {
            return;
        }
        to->list = more;
        to->room = room;
    }
    to->list[to->count].key = key;
    snprintf(to->list[to->count++].kind, PL_MSG_KIND, "%s", kind);
}
