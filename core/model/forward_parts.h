/* core/model/forward_parts.h -- inside the forward pass; private to core/model.
 *
 * All matrices are row-major float32.  T: tokens of a window, H: hidden size, D: head_dim. */
#ifndef PL_MODEL_FORWARD_PARTS_H
#define PL_MODEL_FORWARD_PARTS_H

#include "core/model/arch.h"
#include "core/model/forward.h"

#include <stdbool.h>

/* out[rows, cols] = x / sqrt(mean(x^2) + eps) * gain, per row.  out may be x. */
void pl_rms_norm(const float *x, const float *gain, double eps, size_t rows, size_t cols,
                 float *out);

/* out[rows, cols] = (x - mean) / sqrt(variance + eps) * gain + bias, per row; bias may be NULL. */
void pl_layer_norm(const float *x, const float *gain, const float *bias, double eps, size_t rows,
                   size_t cols, float *out);

/* pl_rms_norm in place for each of the heads of x[rows, heads * cols] (stride apart),
 * gain[cols]. */
void pl_head_norm(float *x, size_t stride, size_t rows, size_t heads, size_t cols,
                  const float *gain, double eps);

/* PL_CLAMPED_SWIGLU's constants in all models of gpt_oss. */
#define PL_CLAMPED_ALPHA 1.702f
#define PL_CLAMPED_LIMIT 7.0f

/* gate[rows, stride] holds gate and, `cols` further, up: out[rows, cols] = act(gate) * up. */
void pl_gate_mul(pl_activation act, const float *gate, size_t stride, size_t rows, size_t cols,
                 float *out);

/* out[rows, cols] = act(x): of an MLP without a gate. */
void pl_activate(pl_activation act, const float *x, size_t rows, size_t cols, float *out);

/* x[rows, cols] = cap * tanh(x / cap). */
void pl_soft_cap(float *x, size_t rows, size_t cols, double cap);

/* x[rows, cols] (stride apart) += bias[cols]. */
void pl_add_bias(float *x, size_t stride, size_t rows, size_t cols, const float *bias);

/* Rotates heads of x[rows, heads * D] (stride apart) into out (out_stride apart; may be x):
 * halves of a head's first `rotated` dimensions are the pairs, as in most of Hugging Face's models,
 * or neighbours; the others are copied.  cosine, sine: [rows, rotated / 2]. */
void pl_rope(const float *x, size_t stride, size_t rows, size_t heads, size_t head_dim,
             size_t rotated, bool neighbours, const float *cosine, const float *sine, float *out,
             size_t out_stride);

/* x[count] += y[count]; false if a value of the sum is NaN or infinite. */
bool pl_add_finite(float *x, const float *y, size_t count);

/* Causal softmax over scores[count, ld], where `heads` rows are of one query: of the first
 * `first + i / heads + 1` columns of row i (at most cols) the last `window` are kept; the others
 * become 0. */
void pl_causal_softmax(float *scores, size_t ld, size_t count, size_t heads, size_t first,
                       size_t cols, size_t window);

/* Which of scores[count, ld] are kept, and the sinks that join them; the first key's position is
 * `low`. */
typedef struct pl_mask {
    size_t first, cols, window; /* as above */
    size_t chunk, low;          /* a query sees the positions of its own chunk; 0: no chunks */
    const float *sinks;         /* [heads], in the softmax of a head, or NULL */
} pl_mask;
void pl_masked_softmax(float *scores, size_t ld, size_t count, size_t heads, const pl_mask *mask);

typedef struct pl_attention {
    const float *q; /* [T, heads * D], q_stride apart */
    size_t q_stride;
    const float *k, *v; /* [past + T, kv_heads * D], values of V in place of D */
    float *out;         /* [T, heads * V] */
    size_t length, heads, kv_heads, head_dim, value_dim;
    size_t past;   /* keys and values before the first query's own */
    size_t window; /* keys a query sees, itself included; SIZE_MAX: all before it */
    size_t chunk;  /* positions a chunk: a query sees its own chunk's keys only; 0: no chunks */
    const float *sinks;    /* [heads] or NULL */
    float scale;           /* of Q K^T */
    double cap;            /* of the scores; 0: none */
    float *scratch;        /* [threads, scratch_stride] */
    size_t scratch_stride; /* pl_attend_scratch() at least */
    size_t threads;        /* scratch areas */
} pl_attention;

/* A thread computes the scores of so many queries, and of so many heads of one key head,
 * at a time. */
enum { PL_QUERY_BLOCK = 64, PL_HEADS_TOGETHER = 8, PL_SCORE_ROWS = 192 };

/* Floats of scratch that a thread needs for at most max_length tokens. */
size_t pl_attend_scratch(size_t heads, size_t kv_heads, size_t head_dim, size_t value_dim,
                         size_t max_length);
void pl_attend(const pl_attention *a);

/* The first key that the query at a position sees. */
size_t pl_attend_low(const pl_attention *a, size_t position);

/* The weights of one block; q, k and v are stacked in one matrix, gate and up in another.  With
 * experts, expert e's weights begin at e times the size of one, the shared expert's behind all
 * others. */
typedef struct pl_block_weights {
    size_t block; /* the block; SIZE_MAX: none is loaded yet */
    float *qkv, *o, *gate_up, *down;
    float *q_b, *kv_b; /* of latent attention, else NULL; qkv is then q_a (or q) and kv_a */
    /* Biases of a site's layers, side by side as their outputs are; 0 for a layer without one. */
    float *biases[PL_SITE_ROLE_COUNT];
    bool biased[PL_SITE_ROLE_COUNT]; /* the block has some at that site */
    float *norms[PL_NORM_COUNT];     /* NULL where the architecture has none */
    float *norm_biases[PL_NORM_COUNT];
    float *router, *shared_gate; /* [experts, H], [H]; NULL without experts */
    float *score_bias;           /* [experts], 0 where the block has none; NULL without experts */
    float *router_bias;          /* [experts] or NULL */
    float *expert_biases[2]; /* of all experts: gate and up [experts, 2 I], down [experts, H]; or
                                NULL */
    float *sinks;            /* [heads] or NULL */
} pl_block_weights;

struct pl_forward {
    pl_model *model;                    /* borrowed */
    size_t max_length;                  /* tokens of a run */
    size_t positions;                   /* tokens that a run's last one may see, itself included */
    bool reads_on;                      /* a decoder's: one token is multiplied as a vector */
    size_t q_rows, kv_rows, value_rows; /* of all heads' queries, keys, values */
    size_t o_cols;                      /* what attention hands to o: heads * value_dim */
    size_t outputs;                     /* of the layers of the first site, side by side */
    size_t q_stride;                    /* between two tokens' queries in qkv */
    pl_block_weights w;                 /* the loaded block's */
    float *final_norm, *final_bias;     /* the bias: NULL where there is none */
    float *lm_head;                     /* [vocab, H] or NULL until it is needed */

    float *cosine[2], *sine[2]; /* [positions, rotary_dim / 2]; [1]: the second set, or NULL */
    size_t angles_length;       /* dynamic RoPE: the window length that [0] is for; 0: any up to
                                   max_positions */
    float *normed;              /* [max_length, H], also the output of o and down */
    float *pending;  /* [max_length, H], attention's output until the MLP's is added; NULL unless
                        both read one norm */
    float *qkv;      /* [max_length, q_rows + kv_rows + value_rows] */
    float *k, *v;    /* [max_length, kv_rows], [max_length, value_rows] */
    float *attended; /* [max_length, o_cols] */
    float *latent;   /* [max_length, outputs] of latent attention, else NULL */
    float *low;      /* [max_length, the wider latent vector], a latent site's input;
                        then the keys' turned part, [max_length, rotary_dim] */
    float *gate_up;  /* [max_length, 2 I] */
    float *act;      /* [max_length, I] */
    float *scratch;  /* [scratch_threads, scratch_stride], of attention */
    size_t scratch_threads, scratch_stride;

    /* Of a mixture of experts; NULL without. */
    float *routed;        /* [max_length, H], an expert's inputs, then its outputs */
    float *mixed;         /* [max_length, H], the sum over experts */
    float *shares;        /* [max_length, experts], the weights of the chosen ones, else 0 */
    float *choice;        /* [experts], what a token's experts are chosen by */
    uint32_t *tokens;     /* [max_length], the rows of the window an expert gets */
    const uint32_t *rows; /* that an input hook now sees: tokens; NULL: the whole window */

    float *logits;    /* [logits_rows, vocab] or NULL until needed */
    float *logits_in; /* [logits_rows, H] */
    size_t logits_rows;
};

typedef struct pl_step pl_step;

/* Tokens of several sequences that lie one behind the other (branches.h). */
typedef struct pl_packed {
    void *ctx;
    /* attended[length, o_cols] of the step's queries. */
    void (*attend)(void *ctx, const pl_step *s, float *attended);
    float *cosine[2], *sine[2]; /* by row of all tokens, as in pl_forward */
    float *keys, *values;       /* [rows, kv_rows], [rows, value_rows] of the loaded block */
    size_t first, last;         /* sequences that run */
    const uint32_t *positions;  /* [rows] */
} pl_packed;

/* The window that a forward step works on. */
struct pl_step {
    pl_forward *f;
    const pl_config *c;
    const pl_hooks *hooks;
    size_t length, window;
    pl_task *task;
    float *pending; /* [length, H] or NULL, as in pl_forward */
    /* A run that goes on behind tokens whose keys and values are kept. */
    size_t past;             /* how many; 0 for a window by itself */
    float *keys, *values;    /* [positions, kv_rows or value_rows] of the block; NULL for a window
                                by itself */
    const pl_packed *packed; /* or NULL; past is then the first token's row among all */
};

/* Room for the weights of any block; false where memory is out.  The caller frees them. */
bool pl_block_weights_init(pl_block_weights *weights, const pl_forward *forward);
void pl_block_weights_free(pl_block_weights *weights);

/* As pl_forward_create, for runs of at most max_length tokens behind others: positions in all. */
PL_NODISCARD pl_status pl_forward_create_at(pl_model *model, size_t max_length, size_t positions,
                                            pl_forward **out, pl_error *err);

/* As pl_forward_run, behind `past` tokens whose keys [positions, kv_rows] and values [positions,
 * value_rows] are kept; those of these tokens are added. */
PL_NODISCARD pl_status pl_forward_run_behind(pl_forward *forward, float *x, size_t length,
                                             size_t past, float *keys, float *values,
                                             const pl_hooks *hooks, pl_task *task, pl_error *err);

/* The same for rows [row, row + length) of packed sequences; x begins at `row`. */
PL_NODISCARD pl_status pl_forward_run_packed(pl_forward *forward, float *x, size_t length,
                                             size_t row, const pl_packed *packed,
                                             const pl_hooks *hooks, pl_task *task, pl_error *err);

/* Cosines and sines of the loaded block for the step's tokens, [length, rotary_dim / 2]. */
void pl_forward_turns(const pl_step *s, const float **cosine, const float **sine);

/* The attention of the step's queries on the step's keys, to out[length, o_cols]. */
pl_attention pl_forward_attention(const pl_step *s, float *out);

/* Where the keys and values of the step's first token belong, behind those kept before it.
 * pl_forward_attend calls their hooks, then computes attention, to attended[length, o_cols]. */
float *pl_forward_keys(const pl_step *s);
float *pl_forward_values(const pl_step *s);
PL_NODISCARD pl_status pl_forward_attend(const pl_step *s, float *attended, pl_error *err);

/* y[length, rows] = x[length, cols] W^T of a layer. */
PL_NODISCARD pl_status pl_forward_linear(const pl_step *s, const float *x, const float *w,
                                         size_t rows, size_t cols, float *y, pl_error *err);

/* Latent attention from latent[length, outputs] on.  see: gives the latent sites' inputs to the
 * input hook.  run: that, and the rest, to attended[length, o_cols], which may be `latent`. */
PL_NODISCARD pl_status pl_forward_latent_see(const pl_step *s, const float *latent, pl_error *err);
PL_NODISCARD pl_status pl_forward_latent_run(const pl_step *s, const float *latent, float *attended,
                                             pl_error *err);

/* Outputs of gate and up together, or of up where there is no gate, of that inner width. */
size_t pl_forward_mlp_outputs(const pl_config *config, size_t inner);

/* Dimensions of a head that RoPE turns in the loaded block. */
size_t pl_forward_rotated(const pl_forward *forward);

/* The norm before a half of a block: attention's where both halves read one norm. */
pl_norm_role pl_forward_input_norm(const pl_config *config, pl_norm_role role);

/* out[rows, H] = the architecture's norm of x; out may be x. */
void pl_forward_norm(const pl_config *config, const float *gain, const float *bias, const float *x,
                     size_t rows, float *out);

/* x[count] *= by; untouched where by is 1. */
void pl_forward_scale(float *x, size_t count, double by);

/* The factor of queries at a position, in a block without RoPE (arXiv 2501.19399); temper_floor is
 * above 0. */
float pl_forward_temper(const pl_config *config, size_t position);

/* A layer's weight in the loaded block; a site's biases there, or NULL. */
float *pl_forward_place(const pl_forward *forward, const pl_layer *layer);
float *pl_forward_biases(const pl_forward *forward, const pl_site *site);

/* A matrix of floats; *failed is set where there is no memory. */
float *pl_forward_floats(size_t rows, size_t cols, bool *failed);

/* A norm's gain, with the 1 that the file leaves out; tensor [size]. */
PL_NODISCARD pl_status pl_forward_gain(pl_forward *forward, const pl_tensor *tensor, float *out,
                                       pl_error *err);

/* Fills cosine and sine [kind] for windows of so many tokens (0: any up to max_positions). */
void pl_forward_angles(pl_forward *forward, size_t kind, size_t length);

/* Calls the input hook for a site of the loaded block; x[rows, cols]. */
PL_NODISCARD pl_status pl_forward_see(const pl_step *s, size_t site, float *x, size_t rows,
                                      size_t cols, pl_error *err);

/* y[length, rows] = x[length, cols] W^T, cut along W's rows with a tick before each piece: cut
 * along x's, BLAS would pack all of W anew for every few tokens. */
PL_NODISCARD pl_status pl_forward_multiply(const float *x, size_t length, const float *w,
                                           size_t rows, size_t cols, float *y, pl_task *task,
                                           pl_error *err);

/* Makes scores of a token's router outputs [experts], in place.  shares: makes of the scores the
 * weights of the experts chosen for the token, -1 for the others.  bias: [experts]; choice:
 * [experts], scratch. */
void pl_expert_scores(const pl_config *config, float *scores);
void pl_expert_shares(const pl_config *config, const float *bias, float *scores, float *choice);

/* The loaded block's mixture of experts, in place on f->normed.  until: stops behind the input
 * hooks of that role's sites, without an output; PL_SITE_ROLE_COUNT: runs to the end. */
PL_NODISCARD pl_status pl_forward_experts(const pl_step *s, pl_site_role until, pl_error *err);

#endif
