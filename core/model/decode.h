/* core/model/decode.h -- the forward pass token by token: all weights and the keys and values of
 * what has been read stay in memory, so that one more token costs one pass over the weights. */
#ifndef PL_MODEL_DECODE_H
#define PL_MODEL_DECODE_H

#include "core/model/forward.h"

typedef struct pl_decoder pl_decoder;

/* For texts of at most `positions` tokens; weights come through hooks->weight where given;
 * hooks->input, key and value are called for every token.  The hooks are borrowed and outlive the
 * decoder.  memory_limit: bytes, 0: none; PL_ERR_MEMORY says what is needed.  PL_ERR_USAGE for more
 * positions than the model has, and where its RoPE's frequencies change with the length (dynamic,
 * LongRoPE), since kept keys have the former ones.  Caller destroys *out. */
PL_NODISCARD pl_status pl_decoder_create(pl_model *model, size_t positions, const pl_hooks *hooks,
                                         size_t memory_limit, pl_decoder **out, pl_task *task,
                                         pl_error *err);
void pl_decoder_destroy(pl_decoder *decoder);

/* Reads count >= 1 tokens behind those read before; logits[vocab]: of the token after the last.
 * PL_ERR_USAGE where they do not fit.  After another failure the decoder has read an unknown part
 * of them. */
PL_NODISCARD pl_status pl_decoder_read(pl_decoder *decoder, const int32_t *ids, size_t count,
                                       float *logits, pl_task *task, pl_error *err);
size_t pl_decoder_length(const pl_decoder *decoder);

/* Forgets all tokens but the first `length`; at least that many have been read. */
void pl_decoder_rewind(pl_decoder *decoder, size_t length);

#endif
