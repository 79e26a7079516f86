/* core/method/fused.h -- the online part of W.A. inference: tokens' rows are transformed and
 * quantized, while they are in the cache or in passes of their own. */
#ifndef PL_METHOD_FUSED_H
#define PL_METHOD_FUSED_H

#include "core/method/transform.h"

#include <stdint.h>

/* Where what is quantized goes: codes[rows, n], or where those are NULL values[rows, n], which are
 * scale times code; scales[rows] either way. */
typedef struct pl_quantized {
    int8_t *codes;
    float *values;
    float *scales;
} pl_quantized;

/* x[rows, n], contiguous and not changed, to out: scales[r] codes[r, c] = Q(x T)[r, c], symmetric,
 * the range of each row its own maximum times grid->clip and the transform's learned clipping; what
 * pl_transform_inputs and pl_act_quantize give one after the other, up to float32 rounding of X T,
 * in one pass over the rows, so that X T never goes to memory.  t NULL: no transform.  A row of
 * zeros has codes 0 and scale 0.  grid: 2 to 8 bits, symmetric, neither fixed nor in groups (an
 * assert). PL_ERR_MEMORY only. */
PL_NODISCARD pl_status pl_fused_quantize(const pl_transform *t, size_t n, const pl_act_grid *grid,
                                         const float *x, size_t rows, const pl_quantized *out,
                                         pl_error *err);

/* The same of rows that are transformed already, in two passes over all of them: ranges, then
 * codes.  clip: the transform's, or NULL. */
void pl_apart_quantize(const pl_act_grid *grid, const pl_act_range *clip, const float *x,
                       size_t rows, size_t n, const pl_quantized *out);

#endif
