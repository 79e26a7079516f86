/* tests/support/ref_learn.h -- FlatQuant's objective plainly, in float64.
 *
 * Rounding has no slope.  What straight-through gradients are the gradients of is the objective
 * with each rounding's offset held at what it is where they are taken, round(v) = v + offset, and
 * each clamped code held at its end.  A scale that is rounded itself is held as a factor of the
 * range, a power of two as it is, and the value that NVFP4's know of a tensor is given. */
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
    const pl_format *act_format;
    size_t act_group; /* 0: a row */
    size_t layer;     /* rows of the first of two layers; 0: there is one */
    bool act_fixed;
    double act_clip;
    double *offsets; /* [pl_ref_learn_offsets], set by the first call */
    bool hold;       /* offsets are used, not set */
} pl_ref_learn;

/* The least and the largest of values, 0 included. */
typedef struct pl_ref_ends {
    double low, high;
} pl_ref_ends;
pl_ref_ends pl_ref_ends_of(const double *x, size_t count);

/* max |x| of what is kept where the format's scales know it of a tensor; else 0. */
double pl_ref_most(const double *x, size_t count, double low, double high, const pl_format *format);

/* In place x <- Q(x) on the range that is kept, tensor: pl_ref_most; offsets[count], sides[count]
 * and *zero_offset are set, or used where they are held. */
void pl_ref_quantize(bool hold, double *x, size_t count, pl_ref_ends kept, int bits,
                     const pl_format *format, double tensor, bool clamps, double *offsets,
                     double *sides, double *zero_offset);

/* rows of x through diag(scale) (p1 (x) p2), entry by entry. */
void pl_ref_turn(const pl_flat_layout *at, const double *x, size_t rows, const double *scale,
                 const double *p1, const double *p2, double *out);

double pl_ref_share(double p);

size_t pl_ref_learn_offsets(const pl_ref_learn *r);

/* P[n, n] and P^-T of one factor's parameters. */
void pl_ref_learn_factor(size_t n, const double *params, double *p, double *inverse_t);

/* L / ||X W^T||^2. */
double pl_ref_learn_value(pl_ref_learn *r, const double *params);

#endif
