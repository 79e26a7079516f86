/* core/metrics/perplexity.h -- perplexity by a named protocol; KL divergence and agreement.
 *
 * "gptq": the text tokenized once (special tokens such as BOS only around the whole and only
 * where the tokenizer adds them), non-overlapping windows, tail dropped, length-1 targets a window.
 * "llama.cpp": targets are positions n/2+1 ... n-1 counted from 0; where the tokenizer adds a BOS,
 * the text starts with one and the first token of each chunk is replaced by it. */
#ifndef PL_METRICS_PERPLEXITY_H
#define PL_METRICS_PERPLEXITY_H

#include "core/base/task.h"
#include "core/model/forward.h"

#include <stddef.h>
#include <stdint.h>

typedef enum pl_ppl_protocol { PL_PPL_GPTQ, PL_PPL_LLAMA_CPP } pl_ppl_protocol;

/* What one target scores, in nats: its negative log-likelihood, and the KL divergence of the
 * original's distribution to the measured one's there (0 without a `compare` pass). */
typedef struct pl_token_score {
    double nll, kl;
} pl_token_score;

typedef struct pl_ppl_spec {
    pl_ppl_protocol protocol;
    size_t length;          /* tokens a window, >= 2 */
    size_t windows;         /* 0: all the text has */
    size_t memory_limit;    /* bytes for hidden states, 0: none */
    size_t spread;          /* runs more, each with other embeddings (PL_PPL_NUDGE); 0: none */
    pl_token_score *tokens; /* [windows, targets of one] filled for the caller, whose it is, or
                               NULL; pl_perplexity_size says how large */
} pl_ppl_spec;

/* How far a run of `spread` moves every value of the embeddings: by a factor of 1 + PL_PPL_NUDGE u
 * with u uniform in [-1, 1), seeded by the run and the window.  That is what float32 cannot tell
 * apart: what it does to the perplexity is noise. */
#define PL_PPL_NUDGE 1e-7

typedef struct pl_ppl_result {
    double perplexity, mean_nll;
    double perplexity_error; /* one standard error, PPL * sqrt((E nll^2 - (E nll)^2) / (N-1)) */
    size_t tokens;           /* scored targets */
    size_t windows;
    /* Against the original on the same targets; NaN without a `compare` pass. */
    double kl_mean, kl_max, top1_agreement;
    double original, original_error; /* the original's perplexity and its standard error */
    /* Of the perplexities of the spread's runs: the least, the largest and the standard deviation
     * of all of them with the first; NaN without. */
    double spread_least, spread_largest, spread_deviation;
} pl_ppl_result;

/* ids: the text's tokens, without BOS.  `after`: hooks of the weights to measure, NULL for the
 * original.  compare: also run the original and fill kl_mean and top1_agreement (both streams walk
 * the blocks together; logits are compared piece by piece and never kept).  PL_ERR_STATE if the
 * text has fewer windows than asked, naming how many it has. */
PL_NODISCARD pl_status pl_perplexity(pl_model *model, const int32_t *ids, size_t count,
                                     const pl_ppl_spec *spec, const pl_hooks *after, bool compare,
                                     pl_ppl_result *out, pl_task *task, pl_error *err);

/* How many windows a spec takes of a text, and targets of each; errors as of pl_perplexity. */
PL_NODISCARD pl_status pl_perplexity_size(const pl_model *model, const int32_t *ids, size_t count,
                                          const pl_ppl_spec *spec, size_t *windows, size_t *targets,
                                          pl_error *err);

/* How many digits of a value a deviation leaves: the last one is of its order.  1 ... 17; 17 where
 * there is no deviation. */
int pl_digits_of(double value, double deviation);

/* Identity of what a perplexity reads: the tokens, and those the tokenizer puts around them. */
pl_id pl_perplexity_text(const pl_model *model, const int32_t *ids, size_t count);

/* Per token of one sequence: nll of each token given those before (NaN for the first), and the
 * residual-stream channel with the largest |x| over all blocks. */
typedef struct pl_probe_token {
    int32_t id;
    double loss;
    size_t channel;
    float channel_value;
    size_t block;
} pl_probe_token;

PL_NODISCARD pl_status pl_probe(pl_model *model, const int32_t *ids, size_t count,
                                const pl_hooks *after, pl_probe_token *out, pl_task *task,
                                pl_error *err);

#endif
