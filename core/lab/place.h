/* core/lab/place.h -- a layer's site in the coordinates that its methods work in: behind its
 * transform, where it has one.  Worker thread only. */
#ifndef PL_LAB_PLACE_H
#define PL_LAB_PLACE_H

#include "core/lab/lab.h"
#include "core/method/method.h"
#include "core/method/transform.h"

/* {0} holds nothing. */
typedef struct pl_place {
    pl_transform *transform; /* NULL without one */
    pl_bench bench;
    pl_id calibration;
} pl_place;

/* Makes what is missing of it: calibration, transform, factors.  Whatever it returns, the caller
 * leaves it. */
PL_NODISCARD pl_status pl_place_hold(pl_context cx, size_t layer, pl_place *out, pl_error *err);
void pl_place_leave(pl_lab *lab, pl_place *place);

/* The layer as its preconditioner finds it.  *w0: its weights [rows, cols], which *out looks at,
 * the caller's to deinit, also after a failure. */
PL_NODISCARD pl_status pl_place_read(const pl_place *place, const pl_state *state, size_t layer,
                                     pl_mat *w0, pl_layer_input *out, pl_task *task, pl_error *err);

#endif
