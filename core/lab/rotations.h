/* core/lab/rotations.h -- learned rotations of a model: one R1 and an R2 for each block, learned in
 * steps on all of it and kept in the store, from which each site's transform is made.
 *
 * An entry ("rotations") is replaced as learning goes on, so that a cut-off run goes on where it
 * was, a paused one waits, and figures can show it while it runs.  Worker thread only. */
#ifndef PL_LAB_ROTATIONS_H
#define PL_LAB_ROTATIONS_H

#include "core/lab/learned.h"

/* R1[hidden, hidden] and R2[blocks, head, head]. */
typedef struct pl_learned_rotations {
    size_t hidden, head, blocks;
    float *r1, *r2;
} pl_learned_rotations;

void pl_learned_rotations_deinit(pl_learned_rotations *rotations);

/* Whether a spec learns rotations of the whole model, not of a site. */
bool pl_spec_learns_rotations(const pl_spec *spec);

/* What they come from: model, calibration, spec, and what is quantized where the loss depends on
 * it. */
PL_NODISCARD pl_status pl_rotations_key(const pl_state *state, pl_id calibration,
                                        const pl_spec *spec, pl_id *out, pl_task *task,
                                        pl_error *err);

/* Learns on from what is stored under a key, up to step `until` (PL_LEARN_ALL: to the end).
 * *reached and *out are the caller's to deinit. */
PL_NODISCARD pl_status pl_rotations_learn(pl_context cx, pl_id calibration, const pl_spec *spec,
                                          pl_id key, uint64_t until, pl_learning *reached,
                                          pl_learned_rotations *out, pl_error *err);

/* What is stored; learning or out may be NULL.  PL_ERR_NOT_FOUND without a sentence where there is
 * nothing whole of the model's shape. */
PL_NODISCARD pl_status pl_rotations_read(pl_lab *lab, const pl_model *model, pl_id key,
                                         pl_learning *learning, pl_learned_rotations *out);

PL_NODISCARD pl_status pl_rotations_forget(pl_lab *lab, pl_id key, pl_error *err);

/* Are they in the store?  And there for as long as the lab is. */
bool pl_rotations_are_kept(pl_lab *lab, pl_id key);
PL_NODISCARD pl_status pl_rotations_pin(pl_lab *lab, pl_id key, pl_error *err);

/* A site's transform by them; R3 and R4 as the seed has them. */
PL_NODISCARD pl_status pl_rotations_transform(const pl_learned_rotations *rotations,
                                              const pl_site_input *in, uint64_t seed, bool online,
                                              pl_transform **out, pl_error *err);

#endif
