/* core/method/fused.h -- the online part of W.A. inference: a token's row is transformed and
 * quantized while it is in the cache, so that X T never goes to memory. */
#ifndef PL_METHOD_FUSED_H
#define PL_METHOD_FUSED_H

#include "core/method/transform.h"

#include <stdint.h>

/* codes[rows, n] and scales[rows] with scales[r] codes[r, c] = Q(x T)[r, c]: symmetric, the range
 * of each row its own maximum times grid->clip and the transform's learned clipping; what
 * pl_transform_inputs and pl_act_quantize give one after the other, up to float32 rounding of X T.
 * x[rows, n] is contiguous and not changed.  A row of zeros has codes 0 and scale 0.  grid: 2 to 8
 * bits, symmetric, not fixed (an assert).  PL_ERR_MEMORY only. */
PL_NODISCARD pl_status pl_fused_quantize(const pl_transform *t, const pl_act_grid *grid,
                                         const float *x, size_t rows, int8_t *codes, float *scales,
                                         pl_error *err);

#endif
