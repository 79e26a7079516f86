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

pl_status pl_memory_check(unsigned before, pl_error *err)
{
    return pl_memory_failures() == before ? PL_OK : pl_error_memory(err, "a result");
}
