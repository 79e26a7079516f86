/* core/tensor/lanes.h -- sixteen or eight numbers as one value.
 *
 * Some compilers take arrays that are summed in a loop apart into scalars; a value of these types
 * stays in a register.  memcpy loads and stores it, one by one, so no pointer needs to be aligned.
 *
 * A value wider than the machine's registers lies in memory if it lives longer than a statement:
 * GCC 12 takes it apart and puts it together again in every round of a loop, which costs 10 to 30
 * times the work.  So sums are kept in halves, and in whole lanes only where pl_lanes_are_whole.
 * Sixteen lanes in two halves are the same sums in the same order. */
#ifndef PL_TENSOR_LANES_H
#define PL_TENSOR_LANES_H

#include "core/tensor/clones.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PL_LANES = 16 };

typedef float pl_lanes __attribute__((vector_size(PL_LANES * sizeof(float))));
typedef int32_t pl_lane_bits __attribute__((vector_size(PL_LANES * sizeof(int32_t))));
typedef float pl_half_lanes __attribute__((vector_size(PL_LANES / 2 * sizeof(float))));
typedef int32_t pl_half_lane_bits __attribute__((vector_size(PL_LANES / 2 * sizeof(int32_t))));
typedef float pl_quarter_lanes __attribute__((vector_size(PL_LANES / 4 * sizeof(float))));

/* The greater of each lane of *most and of x, the less of *least and of x; where x is NaN, what
 * was. */
static inline void pl_lanes_keep_most(pl_half_lanes *most, const float *x)
{
    pl_half_lanes v;
    memcpy(&v, x, sizeof v);
    const pl_half_lane_bits above = v > *most;
    *most = (pl_half_lanes)(((pl_half_lane_bits)v & above) | ((pl_half_lane_bits)*most & ~above));
}

static inline void pl_lanes_keep_least(pl_half_lanes *least, const float *x)
{
    pl_half_lanes v;
    memcpy(&v, x, sizeof v);
    const pl_half_lane_bits below = v < *least;
    *least = (pl_half_lanes)(((pl_half_lane_bits)v & below) | ((pl_half_lane_bits)*least & ~below));
}

/* Whether the clone that runs here has registers of PL_LANES numbers. */
static inline bool pl_lanes_are_whole(void)
{
#ifdef PL_ONE_CLONE
    return false;
#else
    return __builtin_cpu_supports("avx512f") != 0;
#endif
}

#endif
