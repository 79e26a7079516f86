/* core/base/checked.h -- size arithmetic that notices overflow, and zeroed array allocation. */
#ifndef PL_BASE_CHECKED_H
#define PL_BASE_CHECKED_H

#include "core/base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Each returns false, and leaves *out unspecified, when the result does not fit. */
static inline bool pl_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool pl_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* 64-byte aligned storage for count elements of size bytes, not cleared; NULL, and counted as a
 * failure, on overflow or when memory is out.  Free with free(). */
static inline void *pl_alloc(size_t count, size_t size)
{
    size_t bytes = 0;
    void *made = NULL;
    if (pl_mul(count, size, &bytes) && bytes <= PTRDIFF_MAX - 64) {
        bytes = (bytes + 63) / 64 * 64;
        made = aligned_alloc(64, bytes > 0 ? bytes : 64);
    }
    if (made == NULL) {
        pl_memory_failed();
    }
    return made;
}

#endif
