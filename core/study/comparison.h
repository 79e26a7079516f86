/* core/study/comparison.h -- settings measured on one text: what each costs the model, and which
 * differences between them are real.  Worker thread only, but for pl_paired_difference. */
#ifndef PL_STUDY_COMPARISON_H
#define PL_STUDY_COMPARISON_H

#include "core/lab/pipeline.h"
#include "core/lab/pool.h"
#include "core/metrics/perplexity.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* One setting, solved as `solve all` does and measured as `perplexity which=after` does. */
typedef struct pl_compared {
    pl_ppl_result scores;
    pl_token_score *tokens; /* [scores.windows, targets] owned; `scores` is made of them */
    size_t targets;         /* of a window */
    pl_solve_report total;  /* as `solve all` reports; seconds: of the solves that made it */
    size_t layers;          /* solved */
    size_t worst;           /* the layer with the largest rounded error, SIZE_MAX: none has one */
    double worst_error;
    double bytes;  /* of the whole model: rounded layers with their scales, all else in 16
                      bits */
    size_t online; /* sites whose transform is computed, in part at least, while the model runs */
    double online_share; /* its floating-point operations over those of all layers */
    bool found;          /* its scores were in the store */
} pl_compared;

/* Solves and measures `row`, a state with the setting's methods, activations and cache, except what
 * the store has already: results by layer, scores by everything they depend on.  spec: as for
 * pl_perplexity, without spread and tokens.  sequential: as `solve all` does by default; else on
 * the original model's inputs.  Afterwards `row` has the results.  Caller deinits *out; empty on
 * failure. */
PL_NODISCARD pl_status pl_compare_setting(pl_lab *lab, pl_state *row, const int32_t *ids,
                                          size_t count, const pl_ppl_spec *spec, bool sequential,
                                          pl_compared *out, pl_task *task, pl_error *err);
void pl_compared_deinit(pl_compared *compared);

/* Lets the lab's pool, if any, measure rows[n], so that pl_compare_setting finds them in the store.
 * cx: its state has the same source; made[n]: set where the pool has measured a row that the store
 * did not have. */
PL_NODISCARD pl_status pl_compare_in_units(pl_context cx, const pl_state *const *rows, size_t n,
                                           const int32_t *ids, size_t count,
                                           const pl_ppl_spec *spec, bool sequential, bool *made,
                                           pl_error *err);

extern const pl_unit_kind pl_unit_compare;

/* The mean over all targets of b's nll less a's, and its standard error.  Tokens of one window
 * share their context, so only windows are independent: the error is s / sqrt(windows), s the
 * standard deviation of the windows' means (clustered standard errors: Miller, "Adding Error Bars
 * to Evals", 2024, 2.2 with clusters of one size, and 4 for the pairing); NaN for one window.  a
 * NULL: of b's nll alone. */
void pl_paired_difference(const pl_token_score *a, const pl_token_score *b, size_t windows,
                          size_t targets, double *mean, double *error);
/* The same for the KL divergence of one setting. */
void pl_clustered_kl(const pl_token_score *scores, size_t windows, size_t targets, double *mean,
                     double *error);

/* Keeps the rows of a comparison in the store under a key: an array of objects as `compare` reports
 * them, and the commands that make them, one a line.  load: the last ones; PL_ERR_STATE with a
 * sentence that begins with `who` where nothing was compared, or the store no longer has it.
 * Caller decrefs *rows; commands is appended to, or NULL. */
PL_NODISCARD pl_status pl_comparison_keep(pl_lab *lab, const pl_state *state, pl_id key,
                                          json_t *rows, const char *commands, pl_error *err);
PL_NODISCARD pl_status pl_comparison_load(pl_lab *lab, const pl_state *state, const char *who,
                                          json_t **rows, pl_buf *commands, pl_error *err);

#endif
