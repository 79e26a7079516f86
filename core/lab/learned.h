/* core/lab/learned.h -- learnings in the store: what a transform's learning has reached, so that a
 * cut-off run goes on, a paused one waits, and figures can show it while it runs.
 *
 * A checkpoint ("learning") holds the learning's numbers and the transform that they mean now.  Two
 * of them are kept in turn, so that one is always whole.  Worker thread only. */
#ifndef PL_LAB_LEARNED_H
#define PL_LAB_LEARNED_H

#include "core/lab/lab.h"
#include "core/learn/flatquant.h"

/* Learns on from what is stored under a transform's key, up to step `until` (PL_LEARN_ALL: to the
 * end), with a checkpoint every half second or more seldom, so that writing them takes a tenth of
 * the time at most, at the end and when it is cancelled.  *out is the transform then, the caller's;
 * *reached what was reached, for the caller to deinit. */
#define PL_LEARN_ALL UINT64_MAX
PL_NODISCARD pl_status pl_learned_run(pl_lab *lab, pl_id key, const pl_spec *spec,
                                      const pl_site_input *in, uint64_t until, pl_learning *reached,
                                      pl_transform **out, pl_task *task, pl_error *err);

/* The same of a whole block, whose transforms follow from the parameters (learn/block.h). */
PL_NODISCARD pl_status pl_learned_run_block(pl_lab *lab, pl_id key, const pl_spec *spec,
                                            const pl_block_input *in, uint64_t until,
                                            pl_learning *reached, pl_task *task, pl_error *err);

/* What is stored for a block of that layout. */
PL_NODISCARD pl_status pl_learned_read_block(pl_lab *lab, pl_id key, const pl_block_layout *at,
                                             pl_learning *learning);

/* What is stored for a site of n channels and so many weight rows: the learning (NULL: not wanted)
 * and its transform (NULL: not wanted), both the caller's.  PL_ERR_NOT_FOUND without a sentence
 * where there is none, or none that is whole and of that shape. */
PL_NODISCARD pl_status pl_learned_read(pl_lab *lab, pl_id key, size_t n, size_t rows,
                                       pl_learning *learning, pl_transform **out);

/* Forgets it, whatever was stored. */
PL_NODISCARD pl_status pl_learned_forget(pl_lab *lab, pl_id key, pl_error *err);

#endif
