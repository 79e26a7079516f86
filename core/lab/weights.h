/* core/lab/weights.h -- the one door to the weights of a layer: of which stage, of which result and
 * in which coordinates.  Worker thread only. */
#ifndef PL_LAB_WEIGHTS_H
#define PL_LAB_WEIGHTS_H

#include "core/lab/lab.h"
#include "core/method/transform.h"

#include <stdbool.h>

typedef struct pl_weights_of {
    pl_which which;      /* before, preconditioned or after; the original where there is none */
    const pl_id *result; /* of this stored result of the layer; NULL: of the state's */
    const pl_pin *pin;   /* of this baseline, whose layer it must be; NULL: none */
    const pl_transform *transform; /* as S^T W T^-T; NULL: in the layer's own coordinates */
    bool as_solved; /* transform is the result's own: what was made in its coordinates is not turned
                       back and forth, which would leave the rounder's grid */
} pl_weights_of;

/* To out[rows, cols], dequantized.  lab may be NULL for those before.  PL_ERR_NOT_FOUND,
 * with a sentence that names the layer or the pin, where the store no longer has them whole;
 * PL_ERR_CHANGED where the result is another model's. */
PL_NODISCARD pl_status pl_weights_read(pl_context cx, size_t layer, pl_weights_of of, float *out,
                                       pl_error *err);

/* The same to a new matrix, the caller's. */
PL_NODISCARD pl_status pl_weights_make(pl_context cx, size_t layer, pl_weights_of of, pl_mat *out,
                                       pl_error *err);

/* Hooks whose weight() gives the state's weights of that kind; ctx is initialised by the call and
 * must outlive the hooks. */
typedef struct pl_weights_ctx {
    pl_context cx; /* without its task: a hook is not cancelled */
    pl_which which;
} pl_weights_ctx;
pl_hooks pl_weights_hooks(pl_weights_ctx *ctx, pl_context cx, pl_which which);

#endif
