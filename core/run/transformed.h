/* core/run/transformed.h -- the transforms of sites: made once, kept in the store.
 *
 * All layers of a site share one input and therefore one T, which is made from all of their
 * original weights.  Worker thread only. */
#ifndef PL_RUN_TRANSFORMED_H
#define PL_RUN_TRANSFORMED_H

#include "core/quant/transform.h"
#include "core/run/lab.h"

/* The transform that a spec of the slot `transform` makes for the layer's site, from the store if
 * it is there.  *out is the caller's to destroy, NULL where spec->method is NULL; *key names it
 * then (all zeros where *out is NULL).  PL_ERR_STATE where the layers of the site do not agree on
 * the method (on=GLOB). */
PL_NODISCARD pl_status pl_site_transform(pl_lab *lab, const pl_state *state, pl_id calibration,
                                         size_t layer, const pl_spec *spec, pl_transform **out,
                                         pl_id *key, pl_task *task, pl_error *err);

/* A stored one by its key.  PL_ERR_NOT_FOUND or PL_ERR_FORMAT without a sentence. */
PL_NODISCARD pl_status pl_transform_read(pl_lab *lab, pl_id key, pl_transform **out);

/* Rows of the site's layers before this one: where its rows begin in a transform's clipping. */
size_t pl_site_first_row(const pl_state *state, size_t layer);

#endif
