#include "core/base/json.h"

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
