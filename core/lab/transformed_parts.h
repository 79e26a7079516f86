/* core/lab/transformed_parts.h -- what transforms share, and those of a block that are learned
 * together; private to core/lab. */
#ifndef PL_LAB_TRANSFORMED_PARTS_H
#define PL_LAB_TRANSFORMED_PARTS_H

#include "core/lab/transformed.h"

/* The block whose transforms are wanted. */
typedef struct pl_block_order {
    pl_context cx;
    pl_id calibration;
    size_t block;
    const pl_spec *spec;
} pl_block_order;

/* Appends `before` and the part of a layer's rounder that a transform made for it depends on: its
 * grid, so that RTN and GPTQ on one grid share a transform.  Appends nothing without a rounder.
 */
void pl_rounder_format(const pl_state *state, size_t layer, const char *before, pl_buf *out);

/* The key of the block's learning: of everything its transforms come from.  PL_ERR_UNSUPPORTED for
 * a cache of latent vectors, PL_ERR_STATE where the block's layers have different transform specs.
 */
PL_NODISCARD pl_status pl_block_key(const pl_block_order *order, pl_id *out, pl_error *err);

/* Its sites; below, one is meant by its number among them. */
size_t pl_block_site_count(const pl_block_order *order);

/* The key of one site's transform among them. */
PL_NODISCARD pl_status pl_block_site_key(pl_id learning, size_t site, pl_id *out, pl_error *err);

/* Learns the block on to step `until`; *reached is the caller's, with the layout of that site. */
PL_NODISCARD pl_status pl_block_learn(const pl_block_order *order, pl_id key, size_t site,
                                      uint64_t until, pl_learning *reached, pl_error *err);

/* What is stored of it, as pl_learned_read, likewise. */
PL_NODISCARD pl_status pl_block_read(const pl_block_order *order, pl_id key, size_t site,
                                     pl_learning *out);

/* A site's transform from what was reached. */
PL_NODISCARD pl_status pl_block_reached(const pl_block_order *order, size_t site,
                                        const pl_learning *reached, pl_transform **out,
                                        pl_error *err);

#endif
