/* core/lab/turned.h -- a layer's weights, or the stored rows of its input, as they are and in the
 * coordinates of its transform.  Worker thread only. */
#ifndef PL_LAB_TURNED_H
#define PL_LAB_TURNED_H

#include "core/lab/lab.h"

#include <stdbool.h>

/* W[rows, n] of the original model, or X[rows, n], to out, the caller's.  PL_ERR_STATE where no
 * rows of X are stored. */
PL_NODISCARD pl_status pl_turned_values(pl_context cx, pl_id calibration, size_t layer,
                                        pl_side side, pl_mat *out, pl_error *err);

/* In place: values of that side into the coordinates of the transform that the spec means; a
 * learned one as far as it has been learned (transformed.h).  *turned: whether there was one.
 * *keeps: whether channel c is still channel c. */
PL_NODISCARD pl_status pl_turned_turn(pl_context cx, pl_id calibration, size_t layer, pl_side side,
                                      const pl_spec *spec, pl_mat *values, bool *turned,
                                      bool *keeps, pl_error *err);

/* The weights that the layer's rounder was handed, in the coordinates of its transform, where it is
 * solved with a preconditioner: those that a solve's report describes.  Else *out is empty, since
 * the turned weights are what it is handed.  *out is the caller's; PL_ERR_NOT_FOUND where the store
 * no longer has them. */
PL_NODISCARD pl_status pl_turned_handed(pl_lab *lab, const pl_state *state, size_t layer,
                                        pl_mat *out, pl_error *err);

/* What the rounder of the layer's result rounds, for any result: preconditioned where it is, in the
 * coordinates of its transform and clipped as that has learned.  *turned: there is a transform. The
 * original weights where there is no result.  *out is the caller's. */
PL_NODISCARD pl_status pl_turned_to_round(pl_context cx, size_t layer, pl_mat *out, bool *turned,
                                          pl_error *err);

/* "hadamard > astro": what has made them. */
void pl_turned_handed_label(const pl_state *state, size_t layer, char *out, size_t capacity);

#endif
