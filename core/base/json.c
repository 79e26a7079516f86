#include "core/base/json.h"

#include "core/base/text.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RESERVE = 4 << 20, ALIGNMENT = 16 };

/* For jansson alone and only without memory: handed out from its start on, whole again when all of
 * it has come back.  Its pages are none of the process's until then. */
static struct {
    _Alignas(ALIGNMENT) unsigned char bytes[RESERVE];
    size_t used, holders;
} json_reserve;
static pthread_mutex_t json_reserve_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_reserved(const void *at)
{
    const uintptr_t place = (uintptr_t)at, first = (uintptr_t)json_reserve.bytes;
    return place >= first && place < first + RESERVE;
}

static void *take_reserved(size_t size)
{
    void *taken = NULL;
    pthread_mutex_lock(&json_reserve_lock);
    if (size <= RESERVE - json_reserve.used) {
        const size_t whole = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        taken = json_reserve.bytes + json_reserve.used;
        json_reserve.used +=
            whole < RESERVE - json_reserve.used ? whole : RESERVE - json_reserve.used;
        json_reserve.holders++;
    }
    pthread_mutex_unlock(&json_reserve_lock);
    return taken;
}

static void *json_malloc(size_t size)
{
    void *made = malloc(size);
    if (made == NULL && size > 0) {
        pl_memory_failed();
        made = take_reserved(size);
    }
    return made;
}

static void json_free(void *at)
{
    if (!is_reserved(at)) {
        free(at);
        return;
    }
    pthread_mutex_lock(&json_reserve_lock);
    json_reserve.holders--;
    json_reserve.used = json_reserve.holders > 0 ? json_reserve.used : 0;
    pthread_mutex_unlock(&json_reserve_lock);
}

void pl_json_start(void)
{
    json_set_alloc_funcs(json_malloc, json_free);
}

static int add_text(const char *text, size_t size, void *to)
{
    pl_buf_append(to, text, size);
    return ((pl_buf *)to)->failed ? -1 : 0;
}

char *pl_json_text(const json_t *json, size_t flags)
{
    pl_buf text = {0};
    if (json == NULL) {
        return NULL;
    }
    if (json_dump_callback(json, add_text, &text, flags) != 0 || text.data == NULL) {
        pl_memory_failed();
        pl_buf_deinit(&text);
        return NULL;
    }
    return text.data;
}

json_t *pl_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

double pl_json_number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

const char *pl_json_text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

bool pl_json_text_is(const json_t *object, const char *name, const char *text)
{
    const char *found = json_string_value(json_object_get(object, name));
    return found != NULL && strcmp(found, text) == 0;
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
