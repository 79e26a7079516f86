#include "core/lab/pool.h"

#include "core/base/json.h"

#include <stdlib.h>

static const char GIVEN[] = "given";

size_t pl_pool_workers(const pl_lab *lab)
{
    const pl_pool *pool = pl_lab_pool(lab);
    return pool != NULL ? pool->workers : 1;
}

pl_status pl_pool_run(pl_context cx, pl_units *units, pl_error *err)
{
    const pl_pool *pool = pl_lab_pool(cx.lab);
    pl_status status = PL_OK;
    units->answers = json_array();
    if (pool != NULL && json_array_size(units->list) > 1) {
        pl_lab_set_pool(cx.lab, NULL); /* what a unit does is not cut again */
        status = pool->run(pool->ctx, cx, units, err);
        pl_lab_set_pool(cx.lab, pool);
    }
    json_decref(units->list);
    units->list = NULL;
    return status;
}

pl_status pl_pool_put_bytes(pl_lab *lab, const void *bytes, size_t size, pl_id *key, pl_error *err)
{
    const pl_section section = {GIVEN, bytes, size};
    *key = pl_id_bytes(bytes, size);
    return pl_store_put(pl_lab_store(lab), GIVEN, *key, NULL, &section, 1, err);
}

pl_status pl_pool_get_bytes(pl_lab *lab, pl_id key, void **out, size_t *size, pl_error *err)
{
    pl_entry *entry = NULL;
    *out = NULL;
    *size = 0;
    pl_status status = pl_store_get(pl_lab_store(lab), GIVEN, key, &entry, err);
    if (status != PL_OK) {
        return status;
    }
    const size_t bytes = pl_entry_section_bytes(entry, GIVEN);
    void *made = bytes != SIZE_MAX ? malloc(bytes > 0 ? bytes : 1) : NULL;
    status = made != NULL ? pl_entry_read(entry, GIVEN, made, bytes, err)
                          : pl_error_memory(err, "what a unit of work is about");
    pl_entry_close(entry);
    if (status != PL_OK) {
        free(made);
        return status;
    }
    *out = made;
    *size = bytes;
    return PL_OK;
}

void pl_pool_drop_bytes(pl_lab *lab, pl_id key)
{
    pl_status ignored = pl_store_remove(pl_lab_store(lab), GIVEN, key, NULL);
    (void)ignored; /* an entry more in the store is no harm */
}

pl_status pl_pool_put_tokens(pl_lab *lab, const int32_t *ids, size_t count, pl_id *key,
                             pl_error *err)
{
    return pl_pool_put_bytes(lab, ids, count * sizeof *ids, key, err);
}

pl_status pl_pool_get_tokens(pl_lab *lab, pl_id key, int32_t **ids, size_t *count, pl_error *err)
{
    void *bytes = NULL;
    size_t size = 0;
    const pl_status status = pl_pool_get_bytes(lab, key, &bytes, &size, err);
    *ids = bytes;
    *count = size / sizeof **ids;
    return status;
}

json_t *pl_pool_id(pl_id id)
{
    char text[PL_ID_TEXT];
    pl_id_format(id, text);
    return json_string(text);
}

pl_id pl_pool_read_id(const json_t *what, const char *name)
{
    pl_id id = {0};
    return pl_id_of_json(what, name, &id) ? id : (pl_id){0};
}

size_t pl_pool_read_size(const json_t *what, const char *name)
{
    const json_int_t number = json_integer_value(json_object_get(what, name));
    return number > 0 ? (size_t)number : 0;
}
