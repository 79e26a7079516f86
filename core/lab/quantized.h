/* core/lab/quantized.h -- the model as the state would run it: its weights, its quantized
 * activations, its quantized cache.
 *
 * Inputs of a site with a transform T become Q(X T) T^-1, in the coordinates of the weights that
 * pl_weights_hooks gives.  T, and the range of a grid that is `fixed`, are those that the site's
 * layers were solved with; where none is solved, those that the state's own calibration gives.
 * Keys (after RoPE) and values are quantized in groups within a head, where a rotation of the whole
 * model turns the heads in its coordinates.  Worker thread only. */
#ifndef PL_LAB_QUANTIZED_H
#define PL_LAB_QUANTIZED_H

#include "core/lab/pipeline.h"
#include "core/lab/transformed.h"
#include "core/lab/weights.h"

#include <stdbool.h>

/* Solved layers whose weights a rounder has quantized; an imported layer's are not known to be. */
size_t pl_quantized_layers(const pl_state *state);

/* How inputs and cache are quantized, and in which coordinates, into the hash of a measurement. */
void pl_quantized_hash(const pl_state *state, pl_hasher *hasher);

/* What the hooks remember of the sites of the block that runs. */
enum { PL_QUANTIZED_SITES = 8 };
typedef struct pl_quantized_site {
    size_t site; /* SIZE_MAX: free */
    pl_transform *transform;
    pl_act_range range; /* of the site's X T, for range=tensor */
} pl_quantized_site;

typedef struct pl_quantized {
    pl_weights_ctx weights;
    pl_hooks plain; /* of the weights alone, on that */
    pl_id calibration;
    pl_quantized_site sites[PL_QUANTIZED_SITES];
    size_t next;
} pl_quantized;

/* Fills *q, which must outlive the hooks and be given to deinit afterwards.  PL_ERR_STATE where
 * the layers of a site were solved behind different transforms, and without a calibration where a
 * transform or range=tensor of an unsolved site needs one. */
PL_NODISCARD pl_status pl_quantized_init(pl_quantized *q, pl_context cx, pl_which which,
                                         pl_hooks *hooks, pl_error *err);
void pl_quantized_deinit(pl_quantized *q);

/* The same of a state that is still being solved: nothing is made or checked beforehand. */
void pl_quantized_begin(pl_quantized *q, pl_context cx, pl_which which, pl_hooks *hooks);

#endif
