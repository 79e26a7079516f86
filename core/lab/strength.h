/* core/lab/strength.h -- the range in which a layer's strength does anything.  Worker thread only.
 */
#ifndef PL_LAB_STRENGTH_H
#define PL_LAB_STRENGTH_H

#include "core/lab/lab.h"

/* What the telling parameter of the layer's preconditioner means there, whatever its value.  May be
 * interrupted by another solve at a tick.  PL_ERR_STATE where it has none, or its method does not
 * know. */
PL_NODISCARD pl_status pl_layer_strength(pl_context cx, size_t layer, pl_strength *out,
                                         pl_error *err);

#endif
