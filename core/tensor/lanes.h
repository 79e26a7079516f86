/* core/tensor/lanes.h -- sixteen numbers as one value.
 *
 * Arrays of lanes that are summed up in a loop are taken apart into scalars by some compilers;
 * values of these types stay in registers, two or four of them where those are narrower.  memcpy
 * loads and stores them: no pointer needs to be aligned. */
#ifndef PL_TENSOR_LANES_H
#define PL_TENSOR_LANES_H

#include <stdint.h>

enum { PL_LANES = 16 };

typedef float pl_lanes __attribute__((vector_size(PL_LANES * sizeof(float))));
typedef int32_t pl_lane_bits __attribute__((vector_size(PL_LANES * sizeof(int32_t))));
typedef float pl_half_lanes __attribute__((vector_size(PL_LANES / 2 * sizeof(float))));

#endif
