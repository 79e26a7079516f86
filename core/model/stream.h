/* core/model/stream.h -- what reads the residual stream, and what is added to it.
 *
 * Where every reader of the stream takes it through a norm without a mean (RMSNorm) and every
 * writer adds to it as it is, a rotation R of the stream goes through: ||x R|| = ||x||, so that
 * norm(x R) = norm(x) R, and the gains, which do not commute with R, belong to the readers. */
#ifndef PL_MODEL_STREAM_H
#define PL_MODEL_STREAM_H

#include "core/model/model.h"

/* PL_ERR_UNSUPPORTED with the reason where no rotation of the stream goes through this model; who:
 * begins the sentence. */
PL_NODISCARD pl_status pl_model_need_stream(const pl_model *model, const char *who, pl_error *err);

/* Whether the site's input is the stream behind a norm. */
bool pl_model_reads_stream(const pl_model *model, size_t site);

/* Where a diagonal of a site's inputs can go, so that it costs nothing: "the norm's gain", or rows
 * of the layer before; NULL: nowhere, as where others read the same norm (experts and their router,
 * attention beside an MLP), where none stands before, or behind an activation that is not linear.
 */
const char *pl_model_input_fold(const pl_model *model, const pl_site *site);

/* The layer of which a row each makes a site's inputs: v_proj or kv_b_proj before o_proj, up_proj
 * before down_proj; SIZE_MAX: a norm makes them. */
size_t pl_model_input_layer(const pl_model *model, const pl_site *site);

/* Which of its rows makes input `col`: kv_b_proj's are keys and values, head by head.  Where heads
 * share values it is the row of the first that does. */
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

/* What a tensor of the model is to the stream, its layers' weights apart. */
typedef enum pl_stream_part {
    PL_PART_NONE,
    PL_PART_EMBEDDING, /* [vocab, hidden]: rows that begin it, and lm_head where that is tied */
    PL_PART_HEAD,      /* [vocab, hidden]: reads it behind the final norm */
    PL_PART_ROUTER,    /* [any, hidden]: reads it behind the norm before an MLP */
    PL_PART_GAIN,      /* [cols]: of a norm before a site, or the final one */
    PL_PART_SHIFT,     /* [cols]: the bias of a norm before a site */
    PL_PART_BIAS,      /* of a layer */
} pl_stream_part;

/* *of: the layer of a bias, a fused one's first; the first site that reads what a router does, or
 * what a norm makes (PL_FINAL_NORM: none); else SIZE_MAX. */
pl_stream_part pl_model_stream_part(const pl_model *model, const pl_tensor *tensor, size_t *of);

#endif
