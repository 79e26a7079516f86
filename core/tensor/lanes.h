/* core/tensor/lanes.h -- sixteen numbers as one value.
 *
 * Some compilers take arrays that are summed in a loop apart into scalars; a value of these types
 * stays in a register, or in two or four narrower ones.  memcpy loads and stores it, so no pointer
 * needs to be aligned. */
#ifndef PL_TENSOR_LANES_H
#define PL_TENSOR_LANES_H

#include <stdint.h>

enum { PL_LANES = 16 };

typedef float pl_lanes __attribute__((vector_size(PL_LANES * sizeof(float))));
typedef int32_t pl_lane_bits __attribute__((vector_size(PL_LANES * sizeof(int32_t))));
typedef float pl_half_lanes __attribute__((vector_size(PL_LANES / 2 * sizeof(float))));

#endif
