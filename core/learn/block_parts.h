/* core/learn/block_parts.h -- inside FlatQuant's objective on a block; private to core/learn. */
#ifndef PL_LEARN_BLOCK_PARTS_H
#define PL_LEARN_BLOCK_PARTS_H

#include "core/learn/block.h"

/* --- weights (block_weights.c) ---------------------------------------------------------------- */

/* Of all sites that are no experts': wt, wq.  And back: wg becomes gradients of wt, and goes to the
 * sums of the T and to the clipping's gradients. */
PL_NODISCARD pl_status pl_block_round_weights(pl_block_objective *o, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_block_weights_back(pl_block_objective *o, pl_task *task, pl_error *err);

/* The same of one site, v's rows left out. */
void pl_block_round_site(pl_block_objective *o, size_t site);
PL_NODISCARD pl_status pl_block_site_back(pl_block_objective *o, size_t site, pl_error *err);

/* --- inputs and cache (block_hooks.c) --------------------------------------------------------- */

/* What the tape asks for.  With params made, and gradient where a backward pass follows. */
pl_tape_hooks pl_block_hooks(pl_block_objective *o);

#endif
