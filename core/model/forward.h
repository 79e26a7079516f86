/* core/model/forward.h -- the transformer forward pass in float32, block by block, with hooks.
 *
 * The caller holds the hidden states of all its windows and walks the blocks in order: weights are
 * decoded once a block, memory is one block plus the windows.  A window is one sequence of tokens
 * at positions 0..length-1.  Attention is computed in blocks of queries; no T x T matrix a head is
 * kept. */
#ifndef PL_MODEL_FORWARD_H
#define PL_MODEL_FORWARD_H

#include "core/base/task.h"
#include "core/model/model.h"

#include <stddef.h>
#include <stdint.h>

/* All members may be NULL.  `window` is the caller's index of the window being run. */
typedef struct pl_hooks {
    void *ctx;

    /* Writes the weight [rows, cols] to use for a layer in place of the checkpoint's (GPTQ's
     * result, say).  Sets *provided to 0 to decline; then the checkpoint's is read. */
    pl_status (*weight)(void *ctx, size_t layer, float *out, int *provided, pl_error *err);

    /* Sees, and may replace in place, the input x[rows, cols] of a site.  An expert's site sees the
     * tokens routed to it, which pl_forward_rows names; there may be none of them (rows 0). */
    pl_status (*input)(void *ctx, size_t site, size_t window, float *x, size_t rows, size_t cols,
                       pl_error *err);

    /* Sees the residual stream x[rows, hidden] after a block. */
    pl_status (*residual)(void *ctx, size_t block, size_t window, const float *x, size_t rows,
                          size_t hidden, pl_error *err);

    /* May replace in place what a cache holds: keys (after RoPE) and values, x[rows, kv_heads *
     * head_dim].  Of latent attention these are the part of all heads' keys that RoPE turns,
     * x[rows, rotary_dim], and the latent vector behind its norm, x[rows, kv_latent], which the
     * input hook of its site then sees. */
    pl_status (*key)(void *ctx, size_t block, float *x, size_t rows, size_t cols, pl_error *err);
    pl_status (*value)(void *ctx, size_t block, float *x, size_t rows, size_t cols, pl_error *err);
} pl_hooks;

typedef struct pl_forward pl_forward;

/* Work space for windows of at most max_length tokens.  The model is borrowed. */
PL_NODISCARD pl_status pl_forward_create(pl_model *model, size_t max_length, pl_forward **out,
                                         pl_error *err);
void pl_forward_destroy(pl_forward *forward);

/* x[length, hidden] = embedding rows of ids (each must be in the vocabulary), at positions 0 on. */
PL_NODISCARD pl_status pl_forward_embed(pl_forward *forward, const int32_t *ids, size_t length,
                                        float *x, pl_error *err);

/* The same at positions from `first` on, which matters where positions are learned. */
PL_NODISCARD pl_status pl_forward_embed_at(pl_forward *forward, const int32_t *ids, size_t first,
                                           size_t length, float *x, pl_error *err);

/* Loads the weights of a block (through hooks->weight where given).  Kept until the next load. */
PL_NODISCARD pl_status pl_forward_load(pl_forward *forward, size_t block, const pl_hooks *hooks,
                                       pl_task *task, pl_error *err);

/* Runs the loaded block on one window, in place.  Ticks the task between its GEMMs. */
PL_NODISCARD pl_status pl_forward_run(pl_forward *forward, float *x, size_t length, size_t window,
                                      const pl_hooks *hooks, pl_task *task, pl_error *err);

/* Inside an input hook: the tokens of the window, ascending, that the hook's rows belong to; NULL
 * where row r is token r. */
const uint32_t *pl_forward_rows(const pl_forward *forward);

/* --- a block in parts, for a walk that solves layers on its way ---------------------------------
 *
 * The parts are the layers of one site role: q, k and v; o; gate and up; down (of all experts where
 * there are any).  The caller keeps what a part hands to the next one, with the hidden states:
 * between[length, pl_forward_between()] for each window. */

size_t pl_forward_between(const pl_forward *forward);

/* Loads all of a block but its layers; then the layers of a part. */
PL_NODISCARD pl_status pl_forward_part_begin(pl_forward *forward, size_t block, pl_error *err);
PL_NODISCARD pl_status pl_forward_part_load(pl_forward *forward, pl_site_role role,
                                            const pl_hooks *hooks, pl_task *task, pl_error *err);

/* Gives the inputs of the part's layers to hooks->input; all parts before it have run on this
 * window.  x and between do not change.  With experts, down's inputs need gate and up loaded, and
 * hooks->input then sees the inputs of gate and up, too. */
PL_NODISCARD pl_status pl_forward_part_see(pl_forward *forward, pl_site_role role, float *x,
                                           float *between, size_t length, size_t window,
                                           const pl_hooks *hooks, pl_task *task, pl_error *err);

/* Runs the part, whose layers are loaded.  The four in order give the bytes of pl_forward_run. */
PL_NODISCARD pl_status pl_forward_part_run(pl_forward *forward, pl_site_role role, float *x,
                                           float *between, size_t length, size_t window,
                                           const pl_hooks *hooks, pl_task *task, pl_error *err);

/* Rows whose logits are made at once: 256; of a large vocabulary as many as 64 MB hold, but 128 at
 * least. */
size_t pl_forward_logits_rows(const pl_config *config);

/* Final norm and lm_head for rows of x: calls out(ctx, first_row, logits[count, vocab], count) in
 * pieces of at most pl_forward_logits_rows.  lm_head is decoded once and kept.  x is not changed.
 */
typedef pl_status (*pl_logits_fn)(void *ctx, size_t first_row, const float *logits, size_t count,
                                  size_t vocab, pl_error *err);
PL_NODISCARD pl_status pl_forward_logits(pl_forward *forward, const float *x, size_t rows,
                                         pl_logits_fn out, void *ctx, pl_task *task, pl_error *err);

#endif
