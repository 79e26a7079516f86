/* Each thread on a processor of its own, while something is timed. */
#include "core/tensor/linalg.h"

#include <sched.h>
#include <stdlib.h>

struct pl_pinned {
    int bits;
    size_t size;
    cpu_set_t *mask; /* what the threads had before */
};

/* The i-th processor of the mask, counted around. */
static int processor_at(const pl_pinned *p, size_t i)
{
    size_t left = i % (size_t)CPU_COUNT_S(p->size, p->mask);
    int cpu = 0;
    for (; cpu < p->bits; cpu++) {
        if (CPU_ISSET_S((size_t)cpu, p->size, p->mask) && left-- == 0) {
            break;
        }
    }
    return cpu;
}

/* The kernel refuses a set smaller than its own, so it grows until it fits. */
static bool read_mask(pl_pinned *p)
{
    for (p->bits = 1024; p->bits <= 1 << 20; p->bits *= 4) {
        CPU_FREE(p->mask);
        p->mask = CPU_ALLOC((size_t)p->bits);
        p->size = CPU_ALLOC_SIZE((size_t)p->bits);
        if (p->mask != NULL && sched_getaffinity(0, p->size, p->mask) == 0) {
            return CPU_COUNT_S(p->size, p->mask) > 0;
        }
    }
    return false;
}

static bool pin_self(const pl_pinned *p)
{
    cpu_set_t *own = CPU_ALLOC((size_t)p->bits);
    bool done = own != NULL;
    if (done) {
        CPU_ZERO_S(p->size, own);
        CPU_SET_S((size_t)processor_at(p, pl_linalg_thread()), p->size, own);
        done = sched_setaffinity(0, p->size, own) == 0;
    }
    CPU_FREE(own);
    return done;
}

pl_pinned *pl_linalg_pin(void)
{
    pl_pinned *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    bool failed = !read_mask(p);
    if (!failed) {
#pragma omp parallel reduction(|| : failed)
        failed = failed || !pin_self(p);
    }
    if (failed) {
        pl_linalg_unpin(p);
        return NULL;
    }
    return p;
}

void pl_linalg_unpin(pl_pinned *p)
{
    if (p == NULL) {
        return;
    }
#pragma omp parallel
    (void)sched_setaffinity(0, p->size, p->mask); /* one that fails stays where it is */
    CPU_FREE(p->mask);
    free(p);
}
