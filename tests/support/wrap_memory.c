#include "tests/support/wrap_memory.h"

#include "core/base/json.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The linker gives these names to the wrapped functions (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static atomic_bool counting, all_fail;
static atomic_long counted, failing;

static bool fails(void)
{
    if (!atomic_load(&counting)) {
        return false;
    }
    const long now = atomic_fetch_add(&counted, 1) + 1;
    const long at = atomic_load(&failing);
    return now == at || (now > at && atomic_load(&all_fail));
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return fails() ? NULL : __real_strndup(text, size);
}

static sqlite3_mem_methods plain;

static void *sqlite_malloc(int size)
{
    return fails() ? NULL : plain.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
    return fails() ? NULL : plain.xRealloc(old, size);
}

void wrap_memory_start(void)
{
    pl_json_start(); /* its malloc is a wrapped one */
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
    sqlite3_mem_methods wrapped = plain;
    wrapped.xMalloc = sqlite_malloc;
    wrapped.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &wrapped);
}

void wrap_memory_fail(long n, bool all)
{
    atomic_store(&counted, 0);
    atomic_store(&failing, n);
    atomic_store(&all_fail, all);
    atomic_store(&counting, true);
}

long wrap_memory_stop(void)
{
    atomic_store(&counting, false);
    return atomic_load(&counted);
}
