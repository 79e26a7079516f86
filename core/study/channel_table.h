/* core/study/channel_table.h -- the largest channels of a layer's weights or inputs, and of all
 * layers, with the tokens that cause them.  Worker thread only. */
#ifndef PL_STUDY_CHANNEL_TABLE_H
#define PL_STUDY_CHANNEL_TABLE_H

#include "core/lab/lab.h"

#include <stddef.h>

typedef struct pl_channel_row {
    size_t channel;
    double max, rms, ratio; /* ratio to the median channel maximum */
    int64_t token_position; /* -1 for weights */
    int32_t token_id;
    char token[48]; /* escaped, valid UTF-8 */
} pl_channel_row;

/* The `top` largest channels of a layer, to the caller's rows[top]; *count: how many. */
PL_NODISCARD pl_status pl_channel_table(pl_context cx, size_t layer, pl_side side, size_t top,
                                        pl_channel_row *rows, size_t *count, pl_error *err);

/* The same of given weights; max_out[cols]: the channel maxima, or NULL. */
PL_NODISCARD pl_status pl_channels_of_weights(const pl_mat *w, size_t top, pl_channel_row *rows,
                                              size_t *count, float *max_out, pl_error *err);

/* The same of given inputs; returns how many. */
size_t pl_channels_of_inputs(const pl_model *model, const pl_site_stats *stats, size_t top,
                             pl_channel_row *rows);

/* A channel, ranked among those of all layers. */
typedef struct pl_ranked_channel {
    size_t layer; /* inputs: the first of the layers that share them */
    pl_channel_row row;
    size_t outlier_in, inputs; /* inputs that read the residual stream, and in how many of them this
                                  channel is above 6 times the median; 0 and 0 where the layer reads
                                  something else, and for weights */
} pl_ranked_channel;

/* The `top` channels of the model's layers by their ratio to the median channel maximum of their
 * layer; glob: only of the layers it names; NULL: of all.  rows[top] is the caller's; *count: how
 * many. */
PL_NODISCARD pl_status pl_rank_channels(pl_context cx, pl_side side, const char *glob, size_t top,
                                        pl_ranked_channel *rows, size_t *count, pl_error *err);

#endif
