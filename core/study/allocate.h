/* core/study/allocate.h -- gives each unit one of several choices, so that the sum of losses is
 * least at a given average of bits. */
#ifndef PL_STUDY_ALLOCATE_H
#define PL_STUDY_ALLOCATE_H

#include "core/base/error.h"

#include <stddef.h>

/* A multiple-choice knapsack: unit u with choice k loses loss[u, k] and takes bits[u, k] a
 * weight. */
typedef struct pl_knapsack {
    size_t units, choices;
    const double *weights; /* [units] number of weights, above 0 */
    const double *loss;    /* [units, choices], finite */
    const double *bits;    /* [units, choices], finite and above 0 */
} pl_knapsack;

typedef struct pl_allocation {
    double loss;  /* the sum over the chosen */
    double bits;  /* average a weight, at most the one asked for */
    double bound; /* no choice under that average loses less */
} pl_allocation;

/* Dynamic programming over the bits, in steps of a 20,000th of what there is to distribute; the
 * average is kept exactly.  The bound is the maximum of the Lagrangian relaxation (Everett, 1963),
 * whose value at any price of a bit is below the loss of every choice that fits.  chosen[units].
 * PL_ERR_USAGE where even the cheapest choices take more than `average`, and names the least
 * average; PL_ERR_NUMERIC names the unit and the choice whose loss or bits are not finite. */
PL_NODISCARD pl_status pl_allocate(const pl_knapsack *sack, double average, size_t *chosen,
                                   pl_allocation *out, pl_error *err);

enum { PL_CURVE_POINTS = 49 };

/* The least loss at averages of bits from the cheapest choices to the dearest. */
typedef struct pl_curve {
    size_t count;
    double bits[PL_CURVE_POINTS], loss[PL_CURVE_POINTS]; /* of the choices found, bits rising */
    double bound[PL_CURVE_POINTS];                       /* at those bits */
} pl_curve;

/* One table as in pl_allocate gives all points.  Errors as of pl_allocate. */
PL_NODISCARD pl_status pl_allocate_curve(const pl_knapsack *sack, pl_curve *out, pl_error *err);

#endif
