/* core/metrics/perplexity_parts.h -- the windows of a text and what their targets score.  Private
 * to core/metrics. */
#ifndef PL_METRICS_PERPLEXITY_PARTS_H
#define PL_METRICS_PERPLEXITY_PARTS_H

#include "core/metrics/perplexity.h"

#include <stdbool.h>

/* A text cut into windows by a protocol (perplexity.h). */
typedef struct pl_windows {
    const int32_t *text; /* [count], without the special tokens around it; borrowed */
    size_t count;
    pl_frame frame;
    pl_ppl_protocol protocol;
    size_t length, windows;
    size_t first_target; /* position of the first scored token of a window */
} pl_windows;

/* PL_ERR_USAGE for a length that the protocol has no target in, PL_ERR_STATE where the text has
 * fewer windows than asked. */
PL_NODISCARD pl_status pl_windows_init(pl_windows *out, const pl_model *model, const int32_t *ids,
                                       size_t count, const pl_ppl_spec *spec, pl_error *err);

/* The tokens of a window, to out[length]. */
void pl_windows_ids(const pl_windows *windows, size_t window, int32_t *out);

/* Weights of the first block's layers: what a window costs there, for progress and memory. */
double pl_block_parameters(const pl_model *model);

/* One target's scores; kl and agreed against the original, of which original is the nll. */
typedef struct pl_score {
    double nll, kl, original;
    bool agreed;
} pl_score;

/* What one window adds up to. */
typedef struct pl_window_sums {
    double nll, nll2, kl, kl_max;
    double original, original2; /* the same of the original's nll */
    size_t agreed;
} pl_window_sums;

/* Scores logits[rows, vocab] by themselves: kl 0, original the nll itself.  PL_ERR_NUMERIC where
 * they are not finite. */
PL_NODISCARD pl_status pl_score_alone(const float *logits, const int32_t *targets, size_t rows,
                                      size_t vocab, pl_score *out, pl_error *err);
/* The same against the original's[rows, vocab]. */
PL_NODISCARD pl_status pl_score_against(const float *original, const float *logits,
                                        const int32_t *targets, size_t rows, size_t vocab,
                                        pl_score *out, pl_error *err);

void pl_window_add(pl_window_sums *sums, const pl_score *scores, size_t count);

/* All windows of `windows`, summed in their order.  compared: they were scored against the
 * original, which they are themselves where `itself` is set; else what needs it is NaN.  Fields of
 * a spread are NaN. */
pl_ppl_result pl_windows_result(const pl_windows *windows, const pl_window_sums *sums,
                                bool compared, bool itself);

#endif
