/* core/tensor/dtype.h -- element types of checkpoints, and their exact decoding to float32. */
#ifndef PL_TENSOR_DTYPE_H
#define PL_TENSOR_DTYPE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pl_dtype {
    PL_F32,
    PL_F16,
    PL_BF16,
    PL_Q4_0, /* GGUF blocks of 32: f16 d, 16 bytes of nibbles */
    PL_Q4_1, /* f16 d, f16 m, 16 bytes */
    PL_Q5_0, /* f16 d, 4 bytes of high bits, 16 bytes */
    PL_Q5_1, /* f16 d, f16 m, 4 bytes of high bits, 16 bytes */
    PL_Q8_0, /* f16 d, 32 int8 */
    PL_Q2_K, /* GGUF blocks of 256 in sub-blocks with scales of their own: see dtype_k.c */
    PL_Q3_K,
    PL_Q4_K,
    PL_Q5_K,
    PL_Q6_K,
    PL_MXFP4, /* GGUF blocks of 32: E8M0 scale, 16 bytes of E2M1 nibbles */
    PL_DTYPE_COUNT,
    PL_DTYPE_OTHER = PL_DTYPE_COUNT, /* named by the file, not decodable here */
} pl_dtype;

/* "F32", "Q4_1", ...; "other" for PL_DTYPE_OTHER. */
const char *pl_dtype_name(pl_dtype dtype);

/* Elements in one block (1 for plain types) and the block's bytes; 0 for PL_DTYPE_OTHER. */
size_t pl_dtype_block(pl_dtype dtype);
size_t pl_dtype_block_bytes(pl_dtype dtype);

/* Bytes of count elements; false if count is no multiple of the block, or on overflow. */
bool pl_dtype_bytes(pl_dtype dtype, size_t count, size_t *bytes);

/* Decodes count elements (a multiple of the block) to float32, exactly as the format defines.
 * src needs no alignment.  dtype must be decodable. */
void pl_dtype_decode(pl_dtype dtype, const void *src, size_t count, float *dst);

/* Rounds count float32 values to F32, F16 or BF16, half to even; overflow becomes infinity. */
void pl_dtype_encode(pl_dtype dtype, const float *src, size_t count, void *dst);

float pl_f16_to_f32(uint16_t h);
uint16_t pl_f32_to_f16(float f); /* half to even; NaN stays NaN, overflow becomes infinity */
float pl_bf16_to_f32(uint16_t h);
uint16_t pl_f32_to_bf16(float f);

#endif
