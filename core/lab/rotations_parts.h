/* core/lab/rotations_parts.h -- what rotations are learned by; private to core/lab. */
#ifndef PL_LAB_ROTATIONS_PARTS_H
#define PL_LAB_ROTATIONS_PARTS_H

#include "core/lab/rotations.h"

/* A loss of the model's rotations.  value: at step `step`; g1 and g2 get the gradients by R1 and R2
 * (shapes as theirs), both NULL: not wanted. */
typedef struct pl_rotations_loss {
    void *ctx;
    pl_status (*value)(void *ctx, const pl_learned_rotations *rotations, uint64_t step,
                       double *loss, float *g1, float *g2, pl_task *task, pl_error *err);
    void (*end)(void *ctx); /* frees ctx */
    double rate; /* the longest step at the start; infinite: what Cayley's transform takes */
    bool shares; /* the spec's rate is a share of the longest step */
} pl_rotations_loss;

typedef struct pl_rotations_problem {
    pl_context cx;
    pl_id calibration;
    const pl_spec *spec;
} pl_rotations_problem;

/* rotations_kurtosis.c and rotations_model.c. */
PL_NODISCARD pl_status pl_rotations_kurtosis(const pl_rotations_problem *problem,
                                             pl_rotations_loss *out, pl_error *err);
PL_NODISCARD pl_status pl_rotations_model(const pl_rotations_problem *problem,
                                          pl_rotations_loss *out, pl_error *err);

#endif
