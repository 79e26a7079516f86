/* core/run/turned.h -- a layer's weights, or the stored rows of its input, as they are and in the
 * coordinates of its transform.  Worker thread only. */
#ifndef PL_RUN_TURNED_H
#define PL_RUN_TURNED_H

#include "core/run/lab.h"

#include <stdbool.h>

/* W[rows, n] of the original model, or X[rows, n], to out, the caller's.  PL_ERR_STATE where no
 * rows of X are stored. */
PL_NODISCARD pl_status pl_turned_values(pl_lab *lab, const pl_state *state, pl_id calibration,
                                        size_t layer, pl_side side, pl_mat *out, pl_task *task,
                                        pl_error *err);

/* In place: values of that side into the coordinates of the transform that the spec means; a
 * learned one as far as it has been learned (transformed.h).  *turned: whether there was one.
 * *keeps: whether channel c is still channel c. */
PL_NODISCARD pl_status pl_turned_turn(pl_lab *lab, const pl_state *state, pl_id calibration,
                                      size_t layer, pl_side side, const pl_spec *spec,
                                      pl_mat *values, bool *turned, bool *keeps, pl_task *task,
                                      pl_error *err);

#endif
