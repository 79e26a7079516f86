/* tests/support/ref_learn.h -- FlatQuant's objective plainly, in float64.
 *
 * Rounding has no slope.  What straight-through gradients are the gradients of is the objective
 * with each rounding's offset held at what it is where they are taken, round(v) = v + offset, and
 * each clamped code held at its end. */
#ifndef PL_TESTS_REF_LEARN_H
#define PL_TESTS_REF_LEARN_H

#include "core/learn/layout.h"

#include <stdbool.h>

typedef struct pl_ref_learn {
    pl_flat_layout at;
    size_t samples;
    const double *x, *w; /* [samples, n], [rows, n] */
    int weight_bits, act_bits;
    const pl_format *weight_format;
    bool act_asymmetric, act_fixed;
    double act_clip;
    double *offsets; /* [pl_ref_learn_offsets], set by the first call */
    bool hold;       /* offsets are used, not set */
} pl_ref_learn;

size_t pl_ref_learn_offsets(const pl_ref_learn *r);

/* P[n, n] and P^-T of one factor's parameters. */
void pl_ref_learn_factor(size_t n, const double *params, double *p, double *inverse_t);

/* L / ||X W^T||^2. */
double pl_ref_learn_value(pl_ref_learn *r, const double *params);

#endif
