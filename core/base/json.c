#include "core/base/json.h"

static _Thread_local unsigned json_failures;

void pl_json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) {
        json_failures++;
    }
}

void pl_json_append(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0) {
        json_failures++;
    }
}

unsigned pl_json_failures(void)
{
    return json_failures;
}

pl_status pl_json_check(unsigned before, pl_error *err)
{
    return json_failures == before
               ? PL_OK
               : pl_error_set(err, PL_ERR_MEMORY, "out of memory for a result");
}
