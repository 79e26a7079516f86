/* core/base/twister.h -- Python's random.Random, as far as a sample without repetition needs it:
 * MT19937 (Matsumoto and Nishimura, 1998) seeded by init_by_array, and CPython's
 * Random.sample. */
#ifndef PL_BASE_TWISTER_H
#define PL_BASE_TWISTER_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pl_twister {
    uint32_t state[624];
    size_t next;
} pl_twister;

/* As random.Random(seed). */
void pl_twister_init(pl_twister *twister, uint32_t seed);

/* out[count] = random.sample(range(n), count): count <= n indices below n. */
PL_NODISCARD pl_status pl_twister_sample(pl_twister *twister, size_t n, size_t count, size_t *out,
                                         pl_error *err);

#endif
