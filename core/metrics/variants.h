/* core/metrics/variants.h -- perplexity and KL divergence of many variants of a model, each of
 * which differs from one base in few blocks.
 *
 * What stands before the first block in which a variant differs is computed once for all, variants
 * with the same first block walk the rest together, and the original's logits are kept: a variant
 * costs its blocks from there on and the logits. */
#ifndef PL_METRICS_VARIANTS_H
#define PL_METRICS_VARIANTS_H

#include "core/metrics/perplexity.h"

#include <stdbool.h>

typedef struct pl_variants {
    size_t count;
    void *ctx;
    /* Whether the variant differs from the base in a block: in one at least. */
    bool (*touches)(void *ctx, size_t variant, size_t block);
    /* The weights, inputs, keys and values of a variant; borrowed until the next call. */
    const pl_hooks *(*hooks)(void *ctx, size_t variant);
    /* A variant is measured, against the original.  They come by rising first block. */
    pl_status (*done)(void *ctx, size_t variant, const pl_ppl_result *result, pl_error *err);
    /* Where the windows do not fit into memory together, they are walked in groups, and a variant
     * is done in the last one.  What it had in an earlier one, windows [first, first + count), is
     * given to keep as plain bytes, and asked of recall before it is walked: false where it is not
     * known.  Both NULL: a run that is cut off begins anew. */
    pl_status (*keep)(void *ctx, size_t variant, size_t first, size_t count, const void *bytes,
                      size_t size, pl_error *err);
    bool (*recall)(void *ctx, size_t variant, size_t first, size_t count, void *bytes, size_t size);
} pl_variants;

/* ids, spec: as in pl_perplexity; spec->spread is not used.  base: the hooks of what the variants
 * differ from, NULL for the original; *of_base is its own result against the original.  The bytes
 * of a variant's result are those of pl_perplexity with its hooks.  Progress in "units". */
PL_NODISCARD pl_status pl_variants_run(pl_model *model, const int32_t *ids, size_t count,
                                       const pl_ppl_spec *spec, const pl_hooks *base,
                                       const pl_variants *variants, pl_ppl_result *of_base,
                                       pl_task *task, pl_error *err);

#endif
