/* core/study/allocation.h -- bits for each unit of a model, so that they cost the model least at a
 * given average of bits.  Worker thread only. */
#ifndef PL_STUDY_ALLOCATION_H
#define PL_STUDY_ALLOCATION_H

#include "core/study/allocate.h"
#include "core/study/sensitivity.h"

enum { PL_MOST_CHOICES = 24 };

/* What a unit's rounder may be set to. */
typedef struct pl_choice {
    int bits;
    int group_size; /* -1: as it is */
} pl_choice;

/* What a unit loses. */
typedef enum pl_allocating_by {
    PL_BY_KL,       /* the KL divergence with the unit alone rounded */
    PL_BY_ERROR,    /* its layers' relative errors, summed */
    PL_BY_ESTIMATE, /* the estimate of its KL divergence (pl_sensitivity_estimate) */
} pl_allocating_by;

typedef struct pl_allocating {
    double average; /* bits a weight, scales counted */
    pl_choice choices[PL_MOST_CHOICES];
    size_t n_choices;
    pl_allocating_by by;
    pl_sensitivity measured; /* unit, glob; for KL and its estimate: the text's windows, probes */
    const int32_t *test;     /* [n_test] tokens on which the chosen bits are measured, or NULL */
    size_t n_test;
    pl_ppl_spec test_windows;
    const char *said; /* the command, kept with the curve; or NULL */
} pl_allocating;

/* What can be drawn of an allocation; a plain value, kept in the store. */
typedef struct pl_allocation_drawn {
    pl_curve curve;
    size_t by;
    pl_allocation found;
    size_t n_uniform;
    pl_choice uniform[PL_MOST_CHOICES];
    double uniform_bits[PL_MOST_CHOICES], uniform_loss[PL_MOST_CHOICES];
} pl_allocation_drawn;

enum { PL_MOST_TESTED = 3 };

typedef struct pl_allocated {
    pl_unit_loss *units; /* [count] */
    size_t count;
    double *loss, *bits; /* [count, choices] */
    double *weights;     /* [count] */
    size_t *chosen;      /* [count] index among the choices */
    long *unit_of;       /* [layers], -1: in no unit */
    pl_allocation found;
    double uniform_loss[PL_MOST_CHOICES], uniform_bits[PL_MOST_CHOICES]; /* one choice for all */
    pl_curve curve;
    pl_id *results; /* [layers, choices] of the layers in units */
    /* Measured on the test's tokens: the chosen bits, then one choice for all units, the nearest
     * with no more bits and the nearest with no fewer; layers in no unit are solved by their own
     * methods. */
    size_t n_tested, tested[PL_MOST_TESTED]; /* the choice for all; SIZE_MAX: the chosen ones */
    pl_ppl_result test[PL_MOST_TESTED];
} pl_allocated;

/* Solves all layers with each choice on the original model's inputs (or finds them in the store),
 * measures the units, and chooses (allocate.h).  It assumes that losses add up; only the solved
 * model shows whether they do.  PL_ERR_STATE where no rounder with `bits` is set.  Progress in
 * "choices".  Caller deinits *out. */
PL_NODISCARD pl_status pl_allocation_run(pl_context cx, const pl_allocating *asked,
                                         const int32_t *ids, size_t count, pl_allocated *out,
                                         pl_error *err);
void pl_allocated_deinit(pl_allocated *a);

/* Gives a layer its choice, as `method ... on=LAYER` does. */
PL_NODISCARD pl_status pl_allocation_set(pl_state *state, size_t layer, pl_choice choice,
                                         pl_error *err);

/* The last allocation under the state's methods, bits aside; Its command is appended to said.
 * PL_ERR_STATE where there is none. */
PL_NODISCARD pl_status pl_allocation_last(pl_lab *lab, const pl_state *state,
                                          pl_allocation_drawn *out, pl_buf *said, pl_error *err);

#endif
