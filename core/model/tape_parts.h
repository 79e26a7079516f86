/* core/model/tape_parts.h -- the backward pass of a block's steps; private to core/model. */
#ifndef PL_MODEL_TAPE_PARTS_H
#define PL_MODEL_TAPE_PARTS_H

#include "core/model/forward_parts.h"

/* Back through pl_rms_norm and pl_head_norm: for each of the heads of x[rows, heads * cols] (stride
 * apart), grad (grad_stride apart) holds the gradient of the norm and becomes that of x. */
void pl_rms_norm_back(const float *x, size_t stride, const float *gain, double eps, size_t rows,
                      size_t heads, size_t cols, float *grad, size_t grad_stride);

/* Back through pl_layer_norm: grad[rows, cols] in place. */
void pl_layer_norm_back(const float *x, const float *gain, double eps, size_t rows, size_t cols,
                        float *grad);

/* Back through pl_activate of x[count]: grad[count] of act_grad[count]. */
void pl_activate_back(pl_activation act, const float *x, const float *act_grad, size_t count,
                      float *grad);

/* Back through pl_gate_mul: gate[rows, 2 cols] holds gate and up, act_grad[rows, cols] the gradient
 * of act(gate) * up; grad[rows, 2 cols] becomes those of gate and up. */
void pl_gate_mul_back(pl_activation act, const float *gate, const float *act_grad, size_t rows,
                      size_t cols, float *grad);

/* bias_grad[cols] += the sum of the rows of grad[rows, cols]. */
void pl_add_bias_back(const float *grad, size_t rows, size_t cols, float *bias_grad);

/* Back through pl_attend on one window without a past (scratch, past and out of *a are not used):
 * out_grad[T, heads * D] is dL/dout; q_grad[T, heads * D] becomes dL/dq.  Every head's gradients of
 * keys and values are its own, head_k, head_v [heads, T, D]: the sums over the heads of one key
 * head come after.  scratch: [threads, pl_attend_back_scratch()]. */
size_t pl_attend_back_scratch(size_t length);
void pl_attend_back(const pl_attention *a, const float *out_grad, float *q_grad, float *head_k,
                    float *head_v, float *scratch);

/* to[T, kv_heads * D] = the sums of from[heads, T, D] over the heads of each key head. */
void pl_gather_heads(const float *from, size_t length, size_t heads, size_t kv_heads,
                     size_t head_dim, float *to);

#endif
