/* core/tensor/int8.h -- products of 8-bit codes, by oneDNN where the build has it (meson's option
 * onednn) and the processor multiplies bytes in one instruction (AVX-512 VNNI).
 *
 * For one thread at a time (the worker), as BLAS is. */
#ifndef PL_TENSOR_INT8_H
#define PL_TENSOR_INT8_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pl_int8 pl_int8;

/* NULL where such products can be computed here, else why not: "this build has no oneDNN". */
const char *pl_int8_missing(void);

/* The weights codes[rows, cols] with a scale a row, packed for inputs of exactly `tokens` rows;
 * `copies` of them lie apart in memory: a caller that uses one after the other reads none from a
 * cache.  PL_ERR_UNSUPPORTED with pl_int8_missing's words, PL_ERR_MEMORY, or PL_ERR_NUMERIC where
 * oneDNN refuses.  Caller destroys *out. */
PL_NODISCARD pl_status pl_int8_create(const int8_t *codes, const float *scales, size_t rows,
                                      size_t cols, size_t tokens, size_t copies, pl_int8 **out,
                                      pl_error *err);
void pl_int8_destroy(pl_int8 *weights); /* NULL is fine */

/* y[tokens, rows]: y[t, r] = x_scales[t] scales[r] sum_c x[t, c] codes[r, c], the sum exact in 32
 * bits, by copy number `copy` (modulo copies) of the weights. */
PL_NODISCARD pl_status pl_int8_multiply(pl_int8 *weights, size_t copy, const int8_t *x,
                                        const float *x_scales, float *y, pl_error *err);

/* "oneDNN 2.6.3 brg:avx512_core_vnni"; lives as long as the weights. */
const char *pl_int8_kernel(const pl_int8 *weights);

#endif
