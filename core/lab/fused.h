/* core/lab/fused.h -- layers that a runtime fuses to one, under one scale of the whole tensor:
 * those of a site (q, k and v; gate and up), where their rounder's spec shares it.  Worker thread
 * only. */
#ifndef PL_LAB_FUSED_H
#define PL_LAB_FUSED_H

#include "core/lab/lab.h"
#include "core/method/transform.h"

/* 0 where the layer's rounder does not share; else max |w| over the original weights of the site's
 * layers in the coordinates of t (NULL: their own): of what the rounders of all of them take their
 * scale, though one that is handed a larger weight takes that. */
PL_NODISCARD pl_status pl_fused_most(pl_context cx, size_t layer, const pl_transform *t, float *out,
                                     pl_error *err);

/* *key <- the key of what comes from it and from that, where the layer's rounder shares; else as it
 * is. */
PL_NODISCARD pl_status pl_fused_key(pl_context cx, size_t layer, pl_id *key, pl_error *err);

#endif
