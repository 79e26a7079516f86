/* core/base/rng.h -- a seeded generator: the same seed gives the same numbers on every machine.
 * xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64. */
#ifndef PL_BASE_RNG_H
#define PL_BASE_RNG_H

#include <stdint.h>

typedef struct pl_rng {
    uint64_t s[4];
} pl_rng;

void pl_rng_init(pl_rng *rng, uint64_t seed);
uint64_t pl_rng_next(pl_rng *rng);

/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t pl_rng_below(pl_rng *rng, uint64_t n);

/* Uniform in [0, 1) with 53 bits. */
double pl_rng_uniform(pl_rng *rng);

/* Standard normal (Box-Muller, one value a call). */
double pl_rng_normal(pl_rng *rng);

#endif
