/* core/study/allocation.h -- bits for each unit of a model, so that what they cost it together is
 * least at an average of bits.  Worker thread only. */
#ifndef PL_STUDY_ALLOCATION_H
#define PL_STUDY_ALLOCATION_H

#include "core/study/allocate.h"
#include "core/study/sensitivity.h"

enum { PL_MOST_CHOICES = 8 };

typedef struct pl_allocating {
    double average;               /* bits a weight, scales counted */
    int choices[PL_MOST_CHOICES]; /* bits of the rounder, rising */
    size_t n_choices;
    bool by_error;           /* losses are relative errors of the rounded weights, summed over
                                a unit's layers; else KL divergences, each unit alone */
    pl_sensitivity measured; /* unit, glob; of KL: the text's windows */
} pl_allocating;

typedef struct pl_allocated {
    pl_unit_loss *units; /* [count] */
    size_t count;
    double *loss, *bits; /* [count, choices] */
    double *weights;     /* [count] */
    size_t *chosen;      /* [count] index among the choices */
    long *unit_of;       /* [layers], -1: in no unit */
    pl_allocation found;
    double uniform_loss[PL_MOST_CHOICES], uniform_bits[PL_MOST_CHOICES]; /* one choice for all */
} pl_allocated;

/* Solves all layers with each choice on the original model's inputs (or finds them in the store),
 * measures the units, and chooses (allocate.h).  That the losses add up is an estimate: the model
 * tells once it is solved so.  PL_ERR_STATE where no rounder with `bits` is set.  Progress in
 * "choices".  Caller deinits *out. */
PL_NODISCARD pl_status pl_allocation_run(pl_lab *lab, const pl_state *state,
                                         const pl_allocating *asked, const int32_t *ids,
                                         size_t count, pl_allocated *out, pl_task *task,
                                         pl_error *err);
void pl_allocated_deinit(pl_allocated *a);

/* Gives every layer of the units its bits, as `method ... on=LAYER` does. */
PL_NODISCARD pl_status pl_allocation_set(pl_state *state, size_t layer, int bits, pl_error *err);

#endif
