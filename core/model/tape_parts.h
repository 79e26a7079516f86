/* core/model/tape_parts.h -- inside a block's backward pass; private to core/model. */
#ifndef PL_MODEL_TAPE_PARTS_H
#define PL_MODEL_TAPE_PARTS_H

#include "core/model/forward_parts.h"
#include "core/model/tape.h"

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
 * of what it made of them; grad[rows, 2 cols] becomes those of gate and up. */
void pl_gate_mul_back(pl_activation act, const float *gate, const float *act_grad, size_t rows,
                      size_t cols, float *grad);

/* bias_grad[cols] += the sum of the rows of grad[rows, cols]. */
void pl_add_bias_back(const float *grad, size_t rows, size_t cols, float *bias_grad);

/* Back through pl_attend on one window without a past (scratch, past and out of *a are not used):
 * out_grad[T, heads * V] is dL/dout; q_grad[T, heads * D] becomes dL/dq.  Gradients of keys and
 * values are kept for each query head, head_k [heads, T, D], head_v [heads, T, V]; pl_gather_heads
 * sums those of one key head.  Sinks get no gradient.  scratch: [threads,
 * pl_attend_back_scratch()]. */
size_t pl_attend_back_scratch(size_t length);
void pl_attend_back(const pl_attention *a, const float *out_grad, float *q_grad, float *head_k,
                    float *head_v, float *scratch);

/* to[T, kv_heads * D] = the sums of from[heads, T, D] over the heads of each key head. */
void pl_gather_heads(const float *from, size_t length, size_t heads, size_t kv_heads,
                     size_t head_dim, float *to);

/* --- the tape --------------------------------------------------------------------------------- */

enum { PL_TAPE_QKV = 3 }; /* queries, keys and values */

/* One site of the loaded block.  Its rows are tokens of all windows: all, or an expert's. */
typedef struct pl_tape_site {
    pl_site_role role;
    size_t expert;           /* as in pl_site */
    size_t outputs, cols;    /* of its layers, one below the other */
    float *weights, *biases; /* the forward pass's; biases: NULL where it has none */
    const float *raw;        /* its input in the last forward pass, [tokens, cols] */
    const float *in;         /* what its layers got: `raw` unless a hook replaced it */
    size_t tokens;
    float *hooked; /* room for what a hook makes of `raw`, NULL until it is needed */
    size_t room;   /* floats */
} pl_tape_site;

typedef struct pl_tape_latent pl_tape_latent;   /* of latent attention (tape_latent.c) */
typedef struct pl_tape_experts pl_tape_experts; /* of mixtures of experts (tape_experts.c) */

/* All matrices have a row for each token of all windows. */
struct pl_tape {
    pl_forward *f; /* weights, angles and the block's own states */
    const pl_config *c;
    size_t length, most; /* tokens of a window, windows at once */
    size_t windows;      /* of the last forward pass */
    pl_tape_site *sites; /* [most_sites] of the loaded block, in model order */
    size_t n_sites, most_sites;
    size_t o, mlp;                /* o's number, and that of the MLP's first one */
    const float *x;               /* borrowed */
    float *attention_in, *mlp_in; /* behind the norms before both halves, [rows, hidden] */
    float *qkv[PL_TAPE_QKV];      /* before the hooks */
    float *turned[2];           /* queries and keys between RoPE and the norms behind it, or NULL */
    float *seen[PL_TAPE_QKV];   /* what attention got */
    float *cached[PL_TAPE_QKV]; /* room for that */
    float *o_out, *middle, *down_out; /* before the norm; x + attention; before the norm */
    float *grad_q[PL_TAPE_QKV];
    float *wide, *narrow;     /* gradients: of outputs side by side, of inputs */
    float *head_k, *head_v;   /* [heads, length, D], [heads, length, V] */
    float *scratch;           /* of attention backward */
    float *minus_sine;        /* [length, rotary_dim / 2] */
    float *direct;            /* dL/dy, where attention and the MLP are added at once; else NULL */
    pl_tape_latent *latent;   /* or NULL */
    pl_tape_experts *experts; /* or NULL */
};

/* What the steps of a pass work on. */
typedef struct pl_tape_pass {
    pl_tape *t;
    const pl_tape_hooks *hooks; /* never NULL */
    const pl_tape_sums *sums;   /* never NULL */
    size_t rows;
    pl_task *task;
} pl_tape_pass;

/* Columns of queries, keys and values. */
size_t pl_tape_part_cols(const pl_tape *t, size_t part);

/* RoPE of the loaded block in all windows, in place; or back.  x begins at the first head's rotated
 * dimensions, its rows `stride` apart, its heads head_dim. */
void pl_tape_turn(const pl_tape_pass *p, bool back, float *x, size_t stride, size_t heads,
                  size_t rotated);

/* y[tokens, outputs] = what the site's layers give for x[tokens, cols], which must not change
 * before the backward pass.  back: from grad[tokens, outputs], of y, to in_grad[tokens, cols], of
 * x. */
PL_NODISCARD pl_status pl_tape_site_run(const pl_tape_pass *p, size_t site, const float *x,
                                        size_t tokens, float *y, pl_error *err);
PL_NODISCARD pl_status pl_tape_site_back(const pl_tape_pass *p, size_t site, const float *grad,
                                         float *in_grad, pl_error *err);

/* From t->attention_in[rows, hidden] to t->f->attended[rows, o_cols].  back: from out_grad, of
 * `attended`, to qkv_grad[rows, outputs of the first site], of that site's outputs. */
PL_NODISCARD pl_status pl_tape_attend(const pl_tape_pass *p, pl_error *err);
PL_NODISCARD pl_status pl_tape_attend_back(const pl_tape_pass *p, const float *out_grad,
                                           float *qkv_grad, pl_error *err);

/* An MLP, the block's or an expert's: its first site, its inner width, its intermediate results. */
typedef struct pl_tape_mlp {
    size_t site, inner;
    float *outputs; /* [tokens, outputs of gate and up] */
    float *act;     /* [tokens, inner] */
} pl_tape_mlp;

/* From x[tokens, hidden] to out[tokens, hidden].  back: from out_grad to t->narrow[tokens, hidden],
 * of x. */
PL_NODISCARD pl_status pl_tape_mlp_run(const pl_tape_pass *p, const pl_tape_mlp *mlp,
                                       const float *x, size_t tokens, float *out, pl_error *err);
PL_NODISCARD pl_status pl_tape_mlp_back(const pl_tape_pass *p, const pl_tape_mlp *mlp,
                                        size_t tokens, const float *out_grad, pl_error *err);

/* Latent attention: from t->f->latent[rows, outputs of the first site] to t->qkv with RoPE.  back:
 * from t->grad_q to latent_grad. */
PL_NODISCARD pl_status pl_tape_latent_create(const pl_tape *t, pl_tape_latent **out, pl_error *err);
void pl_tape_latent_destroy(pl_tape_latent *latent); /* NULL is fine */
PL_NODISCARD pl_status pl_tape_latent_run(const pl_tape_pass *p, pl_error *err);
PL_NODISCARD pl_status pl_tape_latent_back(const pl_tape_pass *p, float *latent_grad,
                                           pl_error *err);

/* The loaded block's mixture: from t->mlp_in[rows, hidden] to out.  back: from out_grad to
 * t->narrow[rows, hidden], with the choice of experts fixed. */
PL_NODISCARD pl_status pl_tape_experts_create(const pl_tape *t, pl_tape_experts **out,
                                              pl_error *err);
void pl_tape_experts_destroy(pl_tape_experts *experts); /* NULL is fine */
PL_NODISCARD pl_status pl_tape_experts_run(const pl_tape_pass *p, float *out, pl_error *err);
PL_NODISCARD pl_status pl_tape_experts_back(const pl_tape_pass *p, const float *out_grad,
                                            pl_error *err);

#endif
