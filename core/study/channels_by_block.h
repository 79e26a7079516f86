/* core/study/channels_by_block.h -- the channels of the residual stream over the depth of a model.
 * Worker thread only. */
#ifndef PL_STUDY_CHANNELS_BY_BLOCK_H
#define PL_STUDY_CHANNELS_BY_BLOCK_H

#include "core/lab/lab.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a layer reads the residual stream.  q/k/v and gate/up do, each through its norm: their
 * channel c is the stream's. */
bool pl_reads_residual(const pl_model *model, size_t layer);

typedef struct pl_channels_by_block {
    size_t blocks, n;   /* n: the hidden size */
    float *max, *ratio; /* [blocks, n] largest |x| of the block's inputs that read the residual
                           stream, and the largest ratio to the median channel maximum of its own
                           input; NaN where a block has none */
    size_t *outlier_in; /* [n] blocks in which the ratio is above PL_OUTLIER_FACTOR */
    size_t known;       /* blocks that have such an input */
} pl_channels_by_block;

/* Caller deinits out; empty on failure.  PL_ERR_UNSUPPORTED where no layer reads the residual
 * stream. */
PL_NODISCARD pl_status pl_channels_by_block_load(pl_context cx, pl_id calibration,
                                                 pl_channels_by_block *out, pl_error *err);
void pl_channels_by_block_deinit(pl_channels_by_block *table);

/* Channels that are outliers in at least a quarter of the blocks and at least two, most blocks
 * first, ties by number.  out[most]; returns how many there are in all. */
size_t pl_channels_in_many(const pl_channels_by_block *table, size_t most, size_t *out);

#endif
