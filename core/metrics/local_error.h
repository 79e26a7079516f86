/* core/metrics/local_error.h -- how far variants of a model move the residual stream behind the
 * blocks in which they differ: what can be known of them without the blocks that follow. */
#ifndef PL_METRICS_LOCAL_ERROR_H
#define PL_METRICS_LOCAL_ERROR_H

#include "core/metrics/variants.h"

/* out[variants->count]: for each variant the sum, over the blocks that it touches, of the mean over
 * tokens of |d|^2 / |h|^2, where h is the original's residual stream behind the block and d what
 * the variant's block makes of the same input, less h (methods.md 5).  Costs one block for each
 * block that a variant touches, and no logits.  ids, spec: as in pl_perplexity; variants->done is
 * not used.  Progress in "units". */
PL_NODISCARD pl_status pl_local_errors(pl_model *model, const int32_t *ids, size_t count,
                                       const pl_ppl_spec *spec, const pl_variants *variants,
                                       double *out, pl_task *task, pl_error *err);

#endif
