/* core/study/measured.h -- the parts that keys of measurements of a model share: what the numbers
 * in the store depend on.  A study hashes what is specific to it between and behind them. */
#ifndef PL_STUDY_MEASURED_H
#define PL_STUDY_MEASURED_H

#include "core/io/identity.h"
#include "core/metrics/perplexity.h"
#include "core/state/state.h"

/* Begins a key: `what` and its version, such as "planish scores 1", the model and its config.
 * *out: the caller's to finish and destroy; NULL after a failure. */
PL_NODISCARD pl_status pl_measured_begin(const char *what, pl_model *model, pl_hasher **out,
                                         pl_task *task, pl_error *err);

/* The text that is scored, ids[count], its windows, and the threads, on which sums depend. */
void pl_measured_text(pl_hasher *hasher, const pl_model *model, const int32_t *ids, size_t count,
                      const pl_ppl_spec *spec);

/* How activations and cache are quantized, and the results of all layers. */
void pl_measured_results(pl_hasher *hasher, const pl_state *state);

#endif
