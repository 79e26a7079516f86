#include "core/base/json.h"

#include <stdlib.h>

static void *counted_malloc(size_t size)
{
    void *made = malloc(size);
    if (made == NULL && size > 0) {
        pl_memory_failed();
    }
    return made;
}

void pl_json_start(void)
{
    json_set_alloc_funcs(counted_malloc, free);
}

void pl_json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) {
        pl_memory_failed();
    }
}

void pl_json_append(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0) {
        pl_memory_failed();
    }
}
