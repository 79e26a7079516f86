/* core/learn/spin.h -- SpinQuant's loss (Liu et al., ICLR 2025): the cross-entropy of a model whose
 * activations and cache are quantized in the coordinates of its rotations, and its gradient by
 * them.
 *
 * Weights are as they are, which is how the paper learns what GPTQ rounds afterwards: a rotation
 * then matters through Q(X T) T^-1 alone, for the inputs that R1 and R2 turn and the values that R2
 * does, and rounding passes gradients straight through.  The gradient goes through all blocks, the
 * last one first, each run anew, with the memory of one and its inputs. */
#ifndef PL_LEARN_SPIN_H
#define PL_LEARN_SPIN_H

#include "core/base/task.h"
#include "core/format/activation.h"
#include "core/model/model.h"

typedef struct pl_spin pl_spin;

typedef struct pl_spin_request {
    pl_model *model;        /* borrowed; of blocks that a rotation goes through */
    size_t length, windows; /* tokens of a window, windows of a batch */
    pl_act_grid activations, kv;
    size_t kv_group_size;
    uint64_t seed; /* of R4's signs */
    bool online;   /* R3 and R4 turn, too */
} pl_spin_request;

PL_NODISCARD pl_status pl_spin_create(const pl_spin_request *request, pl_spin **out, pl_error *err);
void pl_spin_destroy(pl_spin *spin); /* NULL is fine */

/* *loss: the mean negative log-likelihood, in nats, of all tokens of ids[windows, length] but each
 * window's first.  r1[hidden, hidden], r2[blocks, head_dim, head_dim], orthogonal; g1 and g2 of the
 * same shapes get the gradient, both NULL: not wanted. */
PL_NODISCARD pl_status pl_spin_value(pl_spin *spin, const int32_t *ids, const float *r1,
                                     const float *r2, double *loss, float *g1, float *g2,
                                     pl_task *task, pl_error *err);

#endif
