/* core/model/stream.h -- what reads the residual stream, and what is added to it.
 *
 * The stream can be rotated where every reader takes it through an RMSNorm and every writer adds to
 * it as it is: for a rotation R, ||x R|| = ||x||, so that norm(x R) = norm(x) R.  The norms' gains
 * do not commute with R; they go into the readers' weights. */
#ifndef PL_MODEL_STREAM_H
#define PL_MODEL_STREAM_H

#include "core/model/model.h"

/* PL_ERR_UNSUPPORTED with the reason where this model's stream cannot be rotated; `who` begins the
 * sentence. */
PL_NODISCARD pl_status pl_model_need_stream(const pl_model *model, const char *who, pl_error *err);

/* Whether the site's input is the stream behind a norm. */
bool pl_model_reads_stream(const pl_model *model, size_t site);

/* Where a diagonal scaling of a site's inputs can be folded, so that it costs nothing: "the norm's
 * gain", or rows of the layer before.  NULL: nowhere, since others read the same norm (experts and
 * their router, attention beside an MLP), there is no norm, or an activation stands between. */
const char *pl_model_input_fold(const pl_model *model, const pl_site *site);

/* The layer whose rows each make one of a site's inputs: v_proj or kv_b_proj before o_proj, up_proj
 * before down_proj; SIZE_MAX: a norm makes them. */
size_t pl_model_input_layer(const pl_model *model, const pl_site *site);

/* The row of that layer that makes input `col`. (kv_b_proj's rows are keys and values, head by
 * head.) Where heads share a value, all of them have that one row. */
size_t pl_model_input_row(const pl_model *model, size_t layer, size_t col);

/* The gain of the norm before such a site, or (PL_FINAL_NORM) of the one before lm_head, as it
 * multiplies; out[hidden_size]. */
#define PL_FINAL_NORM SIZE_MAX
PL_NODISCARD pl_status pl_model_stream_gain(pl_model *model, size_t site, float *out,
                                            pl_error *err);

/* What a norm adds to its stored gains in Hugging Face's form of the model: 0, or 1 (gemma). */
float pl_model_gain_offset(const pl_model *model);

/* lm_head's weights, out[vocab_size, hidden_size]. */
PL_NODISCARD pl_status pl_model_read_head(pl_model *model, float *out, pl_error *err);

/* How a tensor of the model, other than a layer's weight, takes part in the stream. */
typedef enum pl_stream_part {
    PL_PART_NONE,
    PL_PART_EMBEDDING, /* [vocab, hidden]: what the stream begins with; also lm_head where tied */
    PL_PART_HEAD,      /* [vocab, hidden]: reads it behind the final norm */
    PL_PART_ROUTER,    /* [any, hidden]: reads it behind the norm before an MLP */
    PL_PART_GAIN,      /* [cols]: of a norm before a site, or the final one */
    PL_PART_SHIFT,     /* [cols]: the bias of a norm before a site */
    PL_PART_BIAS,      /* of a layer */
} pl_stream_part;

/* *of: a bias's layer (of a fused one the first); of a router the first site that reads the same
 * input; of a norm the first site that reads its output (PL_FINAL_NORM: none); else SIZE_MAX. */
pl_stream_part pl_model_stream_part(const pl_model *model, const pl_tensor *tensor, size_t *of);

#endif
