/* core/study/generate.h -- a text continued by the model, as it was or as it is solved.  Worker
 * thread only. */
#ifndef PL_STUDY_GENERATE_H
#define PL_STUDY_GENERATE_H

#include "core/lab/lab.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pl_sampling {
    double temperature; /* 0: always the likeliest token, of equals the first */
    double top_p;       /* (0, 1]: only the likeliest tokens whose probabilities sum to it */
    uint64_t seed;
    const int32_t *ends; /* [n_ends] borrowed: tokens that end a text, beside the config's EOS */
    size_t n_ends;
} pl_sampling;

typedef struct pl_continuation {
    int32_t *ids; /* [count], the caller's, without the prompt */
    size_t count;
    bool ended;     /* the model ended the text: its end token is not among them */
    double reading; /* seconds for the prompt */
    double writing; /* seconds for the tokens */
} pl_continuation;

/* Draws a token from logits[vocab]; room[vocab] is scratch.  u: uniform in [0, 1). */
size_t pl_sample_token(const float *logits, size_t vocab, const pl_sampling *sampling, double u,
                       uint32_t *room);

/* Continues prompt[n_prompt] (special tokens included) by at most `most` tokens.  Progress in
 * "tokens".  Errors as of pl_decoder_create; PL_ERR_NUMERIC where logits are not finite.  ids is
 * NULL after a failure. */
PL_NODISCARD pl_status pl_generate(pl_context cx, pl_which which, const int32_t *prompt,
                                   size_t n_prompt, size_t most, const pl_sampling *sampling,
                                   pl_continuation *out, pl_error *err);

#endif
