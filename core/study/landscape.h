/* core/study/landscape.h -- what quantization loses, over layers and tokens (the error landscape of
 * FlatQuant's paper, arXiv 2410.09426).  Worker thread only. */
#ifndef PL_STUDY_LANDSCAPE_H
#define PL_STUDY_LANDSCAPE_H

#include "core/lab/lab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PL_LANDSCAPE_COLS = 256 };

typedef struct pl_landscape {
    size_t n;       /* layers, in model order */
    size_t *layers; /* [n] */
    size_t cols;    /* of positions in the calibrated text */
    double step;    /* positions a column is wide */
    float *values; /* [n, cols]: the largest ||y - y^||^2 among the column's stored tokens, over the
                      mean ||y||^2 of all the layer's; NaN where the layer is not solved or the
                      column holds no stored token */
    uint32_t *tokens; /* [n, cols]: the position of that token, where there is one */
    size_t solved;
} pl_landscape;

/* The layers that have the role of `layer` (every_layer false), or all: out[layers of the model],
 * in model order; returns how many. */
size_t pl_landscape_layers(const pl_model *model, size_t layer, bool every_layer, size_t *out);

/* Of the layers of pl_landscape_layers.  y^ is the output of the solved layer: its weights after,
 * and its input quantized as `activations` says, in the coordinates of its transform.  Caller
 * deinits out; empty on failure.  PL_ERR_STATE where none of them is solved. */
PL_NODISCARD pl_status pl_landscape_load(pl_context cx, pl_id calibration, size_t layer,
                                         bool every_layer, pl_landscape *out, pl_error *err);
void pl_landscape_deinit(pl_landscape *landscape);

#endif
