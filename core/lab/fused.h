/* core/lab/fused.h -- layers that a runtime fuses to one, under one scale of the whole tensor:
 * those of a site (q, k and v; gate and up), where their rounder's spec shares it.  Worker thread
 * only. */
#ifndef PL_LAB_FUSED_H
#define PL_LAB_FUSED_H

#include "core/lab/lab.h"
#include "core/method/transform.h"

/* *out: 0 where the layer's rounder does not share its scale, else max |w| over the original
 * weights of all layers of the site, in the coordinates of t (NULL: their own).  Each of their
 * rounders takes its scale from it, or from a larger weight that it is handed.  bench: the site's
 * under that transform, which keeps the number for the site's other layers; or NULL. */
PL_NODISCARD pl_status pl_fused_most(pl_context cx, size_t layer, const pl_transform *t,
                                     const pl_bench *bench, float *out, pl_error *err);

/* Where the layer's rounder shares its scale: *key <- a hash of *key and of the weights of all
 * layers of the site.  Else *key stays as it is. */
PL_NODISCARD pl_status pl_fused_key(pl_context cx, size_t layer, pl_id *key, pl_error *err);

#endif
