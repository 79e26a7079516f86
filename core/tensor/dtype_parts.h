/* core/tensor/dtype_parts.h -- GGUF's K-quants behind pl_dtype_decode; private to core/tensor. */
#ifndef PL_TENSOR_DTYPE_PARTS_H
#define PL_TENSOR_DTYPE_PARTS_H

#include <stddef.h>
#include <stdint.h>

enum { PL_K_BLOCK = 256 };

/* Each decodes `blocks` blocks at src (no alignment needed) to dst[blocks * PL_K_BLOCK]. */
void pl_decode_q2_k(const uint8_t *src, size_t blocks, float *dst);
void pl_decode_q3_k(const uint8_t *src, size_t blocks, float *dst);
void pl_decode_q4_k(const uint8_t *src, size_t blocks, float *dst);
void pl_decode_q5_k(const uint8_t *src, size_t blocks, float *dst);
void pl_decode_q6_k(const uint8_t *src, size_t blocks, float *dst);

#endif
