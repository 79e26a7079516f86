#include "core/base/memory.h"

#include <stdatomic.h>

static atomic_uint memory_failures;

void pl_memory_failed(void)
{
    atomic_fetch_add(&memory_failures, 1);
}

unsigned pl_memory_failures(void)
{
    return atomic_load(&memory_failures);
}
