/* core/quant/activation_parts.h -- private to core/quant. */
#ifndef PL_QUANT_ACTIVATION_PARTS_H
#define PL_QUANT_ACTIVATION_PARTS_H

#include "core/quant/activation.h"

/* What is kept of a range's ends: the grid's clip times the learned one (NULL: 1). */
pl_act_range pl_act_share(const pl_act_grid *grid, const pl_act_range *clip);

#endif
