#include "plots/kinds.h"

#include <string.h>

#define KIND_ENTRY(name) &pl_kind_##name,
static const pl_kind *const table[] = {PL_KINDS(KIND_ENTRY) NULL};
#undef KIND_ENTRY

const pl_kind *const *pl_kinds(void)
{
    return table;
}

const pl_kind *pl_kind_find(const char *name)
{
    for (size_t i = 0; table[i] != NULL; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}
