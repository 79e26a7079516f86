/* core/base/count.h -- how many hold something that several share, on any thread.
 *
 * A member of what is shared: its maker is the first holder, the last one frees it. */
#ifndef PL_BASE_COUNT_H
#define PL_BASE_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct pl_count {
    atomic_int holders;
} pl_count;

/* One holder; before anybody else knows what is shared. */
static inline void pl_count_init(pl_count *count)
{
    atomic_init(&count->holders, 1);
}

static inline void pl_count_retain(pl_count *count)
{
    atomic_fetch_add(&count->holders, 1);
}

/* Whether this was the last holder. */
static inline bool pl_count_release(pl_count *count)
{
    return atomic_fetch_sub(&count->holders, 1) == 1;
}

#endif
