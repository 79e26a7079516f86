/* core/lab/pipeline_parts.h -- what one layer's solve and a whole model's share; private to
 * core/lab. */
#ifndef PL_LAB_PIPELINE_PARTS_H
#define PL_LAB_PIPELINE_PARTS_H

#include "core/lab/pipeline.h"

/* False where the layer's inputs cannot be known (bare.h) and its methods need them. */
bool pl_solve_sees_enough(const pl_state *state, size_t layer);

/* Whether the layer's rounder looks at the original model's inputs beside those it is given. */
bool pl_solve_follows(const pl_state *state, size_t layer);

#endif
