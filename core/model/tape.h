/* core/model/tape.h -- one block forward and backward in float32, for what learns on it.
 *
 * The forward pass keeps what the backward pass needs (a tape), and computes what pl_forward_run
 * does.  The learner's hooks replace the input of a site's layers, attention's queries, keys and
 * values, and the layers' weights.  Rows are those of all windows, one window after the other: T =
 * windows * length; an expert's rows are the tokens routed to it.  The choice of experts has no
 * gradient, their weights have one.
 *
 * `site` is its number within the block, in model order: in a dense block with plain attention, its
 * role.
 *
 * A whole model's backward pass with memory of one block: keep each block's input, then, from the
 * last block to the first, load, forward, backward. */
#ifndef PL_MODEL_TAPE_H
#define PL_MODEL_TAPE_H

#include "core/base/task.h"
#include "core/model/model.h"

#include <stddef.h>

typedef struct pl_tape pl_tape;

/* Work space for at most so many windows of length tokens at once.  The model is borrowed. */
PL_NODISCARD pl_status pl_tape_create(pl_model *model, size_t length, size_t windows, pl_tape **out,
                                      pl_error *err);
void pl_tape_destroy(pl_tape *tape); /* NULL is fine */

/* Makes a block the loaded one. */
PL_NODISCARD pl_status pl_tape_load(pl_tape *tape, size_t block, pl_task *task, pl_error *err);

/* The loaded block's weights of a site's layers, one below the other (q, k, v; o; gate, up; down):
 * [rows, cols]; and their biases, [rows], NULL where the block has none there.  The caller may
 * change them until the next load. */
float *pl_tape_weights(pl_tape *tape, size_t site, size_t *rows, size_t *cols);
float *pl_tape_biases(pl_tape *tape, size_t site);

/* Every member may be NULL. */
typedef struct pl_tape_hooks {
    void *ctx;

    /* [sites of the block], in place of the loaded ones where one is not NULL, of the same shapes;
     * borrowed until the backward pass. */
    const float *const *weights, *const *biases;

    /* Called before a pass uses the weights of a site that tokens reach, once forward and once
     * back. What `weights` holds for that site must stay until the next site's call. */
    pl_status (*weights_used)(void *ctx, size_t site, bool back, pl_error *err);

    /* out[rows, cols]: what the site's layers get for x[rows, cols], rows > 0.  input_back: grad
     * holds dL/dout and becomes dL/dx, for the same x. */
    pl_status (*input)(void *ctx, size_t site, const float *x, size_t rows, float *out,
                       pl_error *err);
    pl_status (*input_back)(void *ctx, size_t site, const float *x, size_t rows, float *grad,
                            pl_error *err);

    /* qkv_out: what attention gets for queries [rows, heads * head_dim] and keys [rows, kv_heads *
     * head_dim] after RoPE (and the norms behind it), and values.  cache_back: each grad holds the
     * gradient of its qkv_out and becomes that of qkv. */
    pl_status (*cache)(void *ctx, const float *const qkv[3], size_t rows, float *const qkv_out[3],
                       pl_error *err);
    pl_status (*cache_back)(void *ctx, const float *const qkv[3], size_t rows, float *const grad[3],
                            pl_error *err);
} pl_tape_hooks;

/* y[T, hidden] = the block of x[T, hidden], which is borrowed until the backward pass.
 * PL_ERR_NUMERIC where y is not finite. */
PL_NODISCARD pl_status pl_tape_forward(pl_tape *tape, const float *x, size_t windows,
                                       const pl_tape_hooks *hooks, float *y, pl_task *task,
                                       pl_error *err);

/* Where the gradients of the weights and biases that the layers used are added: [sites of the
 * block]; NULL: not wanted. */
typedef struct pl_tape_sums {
    float *const *weights, *const *biases;
} pl_tape_sums;

/* Back through the last forward pass, with the same hooks: grad[T, hidden] holds dL/dy and becomes
 * dL/dx.  sums may be NULL. */
PL_NODISCARD pl_status pl_tape_backward(pl_tape *tape, const pl_tape_hooks *hooks, float *grad,
                                        const pl_tape_sums *sums, pl_task *task, pl_error *err);

#endif
