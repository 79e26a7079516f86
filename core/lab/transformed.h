/* core/lab/transformed.h -- the transforms of sites: made once, kept in the store.
 *
 * All layers of a site share one input and therefore one T, which is made from all of their
 * original weights.  Worker thread only. */
#ifndef PL_LAB_TRANSFORMED_H
#define PL_LAB_TRANSFORMED_H

#include "core/lab/lab.h"
#include "core/lab/learned.h"
#include "core/method/transform.h"

/* The transform that a spec of the slot `transform` makes for the layer's site, from the store if
 * it is there.  *out is the caller's to destroy, NULL where spec->method is NULL; *key names it
 * then (all zeros where *out is NULL).  PL_ERR_STATE where the layers of the site do not agree on
 * the method (on=GLOB). */
PL_NODISCARD pl_status pl_site_transform(pl_context cx, pl_id calibration, size_t layer,
                                         const pl_spec *spec, pl_transform **out, pl_id *key,
                                         pl_error *err);

/* Its key alone: nothing is made. */
PL_NODISCARD pl_status pl_site_transform_key(pl_context cx, pl_id calibration, size_t layer,
                                             const pl_spec *spec, pl_id *out, pl_error *err);

/* The transform without waiting for a learned one: as far as it has been learned, *out NULL where
 * that has not begun. *key is its key all the same. */
PL_NODISCARD pl_status pl_site_transform_now(pl_context cx, pl_id calibration, size_t layer,
                                             const pl_spec *spec, pl_transform **out, pl_id *key,
                                             pl_error *err);

/* Learns the layer's transform on to step `until` (PL_LEARN_ALL: to the end, which stores it).
 * *reached is the caller's.  PL_ERR_STATE where the layer's transform is none that is learned. */
PL_NODISCARD pl_status pl_site_learn(pl_context cx, pl_id calibration, size_t layer, uint64_t until,
                                     pl_learning *reached, pl_error *err);

/* How far the layer's transform has been learned; *reached is the caller's.  PL_ERR_STATE where it
 * is none that is learned, or where nothing has been learned yet. */
PL_NODISCARD pl_status pl_site_learning(pl_context cx, pl_id calibration, size_t layer,
                                        pl_learning *reached, pl_error *err);

/* *due: the layer's transform is one that is learned, and a solve would have to learn it first. */
PL_NODISCARD pl_status pl_site_learning_due(pl_context cx, size_t layer, bool *due, pl_error *err);

/* Forgets what was learned for the layer's site, the transform with it. */
PL_NODISCARD pl_status pl_site_forget(pl_context cx, pl_id calibration, size_t layer,
                                      pl_error *err);

/* A stored one by its key, which must be of the width and rows of the layer's site.
 * PL_ERR_NOT_FOUND or PL_ERR_FORMAT without a sentence. */
PL_NODISCARD pl_status pl_transform_read(pl_lab *lab, const pl_state *state, size_t layer,
                                         pl_id key, pl_transform **out);

/* Is a stored one there, and the rotations of the whole model that it may be of?  And there for as
 * long as the lab is. */
bool pl_transform_is_kept(pl_lab *lab, pl_id key);
PL_NODISCARD pl_status pl_transform_pin(pl_lab *lab, pl_id key, pl_error *err);

/* In place on the layer's whole weights w[rows, cols]: w <- S^T w T^-T, its weights in the
 * coordinates of t, and back; S is the layer's own, where t turns its outputs. */
PL_NODISCARD pl_status pl_layer_turn(const pl_state *state, size_t layer, const pl_transform *t,
                                     float *w, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_layer_turn_back(const pl_state *state, size_t layer,
                                          const pl_transform *t, float *w, pl_task *task,
                                          pl_error *err);

/* S alone, and w <- S^T w, and back; t NULL: none. */
const pl_transform *pl_layer_outputs(const pl_state *state, size_t layer, const pl_transform *t);
PL_NODISCARD pl_status pl_layer_turn_outputs(const pl_state *state, size_t layer,
                                             const pl_transform *t, float *w, pl_task *task,
                                             pl_error *err);
PL_NODISCARD pl_status pl_layer_turn_outputs_back(const pl_state *state, size_t layer,
                                                  const pl_transform *t, float *w, pl_task *task,
                                                  pl_error *err);

/* In place on weights in t's coordinates, w[rows, cols]: clipped as t has learned, which is before
 * the layer's outputs are turned (FlatQuant's own order).  Nothing where t learned none. */
PL_NODISCARD pl_status pl_layer_clip(const pl_state *state, size_t layer, const pl_transform *t,
                                     float *w, pl_task *task, pl_error *err);

/* Rows of the site's layers before this one: where its rows begin in a transform's clipping. */
size_t pl_site_first_row(const pl_state *state, size_t layer);

#endif
