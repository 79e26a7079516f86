/* core/model/forward_parts.h -- inside the forward pass; private to core/model.
 *
 * All matrices are row-major float32.  T: tokens of a window, H: hidden size, D: head_dim. */
#ifndef PL_MODEL_FORWARD_PARTS_H
#define PL_MODEL_FORWARD_PARTS_H

#include "core/model/forward.h"

#include <stdbool.h>

/* out[rows, cols] = x / sqrt(mean(x^2) + eps) * gain, per row.  out may be x. */
void pl_rms_norm(const float *x, const float *gain, double eps, size_t rows, size_t cols,
                 float *out);

/* gate[rows, stride] holds gate and, `cols` further, up: out[rows, cols] = silu(gate) * up. */
void pl_silu_mul(const float *gate, size_t stride, size_t rows, size_t cols, float *out);

/* x[rows, cols] (stride apart) += bias[cols]. */
void pl_add_bias(float *x, size_t stride, size_t rows, size_t cols, const float *bias);

/* Rotates heads of x[rows, heads * D] (stride apart) into out (out_stride apart; may be x):
 * halves of a head are the pairs, as in Hugging Face.  cosine, sine: [rows, D / 2]. */
void pl_rope(const float *x, size_t stride, size_t rows, size_t heads, size_t head_dim,
             const float *cosine, const float *sine, float *out, size_t out_stride);

/* x[count] += y[count]; false if a value of the sum is NaN or infinite. */
bool pl_add_finite(float *x, const float *y, size_t count);

/* Causal softmax over scores[count, ld]: row i keeps its first `first + i + 1` columns, of which
 * there are at most cols; the others become 0. */
void pl_causal_softmax(float *scores, size_t ld, size_t count, size_t first, size_t cols);

typedef struct pl_attention {
    const float *q; /* [T, heads * D], q_stride apart */
    size_t q_stride;
    const float *k, *v; /* [T, kv_heads * D] */
    float *out;         /* [T, heads * D] */
    size_t length, heads, kv_heads, head_dim;
    float *scratch; /* [threads, PL_QUERY_BLOCK * max_length] */
    size_t scratch_stride;
    size_t threads; /* scratch areas */
} pl_attention;

enum { PL_QUERY_BLOCK = 64 };

/* Scores are kept for one head and PL_QUERY_BLOCK queries at a time, by thread. */
void pl_attend(const pl_attention *a);

struct pl_forward {
    pl_model *model; /* borrowed */
    size_t max_length;
    size_t block; /* the loaded one; SIZE_MAX: none */
    size_t q_rows, kv_rows;

    /* Weights of one block; q, k and v are stacked in one matrix, gate and up in another. */
    float *w_qkv, *w_o, *w_gate_up, *w_down, *b_qkv;
    float *attention_norm, *mlp_norm, *final_norm;
    float *lm_head; /* [vocab, H] or NULL until it is needed */

    float *cosine, *sine; /* [max_length, D / 2] */
    float *normed;        /* [max_length, H], also the output of o and down */
    float *qkv;           /* [max_length, q_rows + 2 kv_rows] */
    float *k, *v;         /* [max_length, kv_rows] */
    float *attended;      /* [max_length, q_rows] */
    float *gate_up;       /* [max_length, 2 I] */
    float *act;           /* [max_length, I] */
    float *scratch;       /* of attention */
    size_t scratch_threads;
    float *logits;    /* [logits_rows, vocab] or NULL until needed */
    float *logits_in; /* [logits_rows, H] */
    size_t logits_rows;
};

#endif
