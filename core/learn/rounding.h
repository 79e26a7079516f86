/* core/learn/rounding.h -- rounding to a grid over a learned share of the values' own range, and
 * its straight-through gradient.
 *
 * Rounding is taken as x -> x + s delta with delta fixed where it is differentiated, so that its
 * slope in x is 1 and in the scale s it is delta; clamped values follow the range's end.  The
 * values' own minimum and maximum, of which the range is a share, are differentiated, too: this is
 * the gradient of FlatQuant's learnable clipping (arXiv 2410.09426, section 3.1).
 *
 * A format whose values are not evenly spaced rounds by its own functions, scale and all.  How its
 * scale is stored is one more rounding: s is taken as proportional to the range's farther end where
 * it has a mantissa, and as given where it is a power of two (MX), which moves by a factor of two
 * or not at all; so is what scales know of a whole tensor (NVFP4).  On the demo MXFP4 learned with
 * a slope of the power of two ends 5 % higher, NVFP4 without one of its scale 3 % higher. */
#ifndef PL_LEARN_ROUNDING_H
#define PL_LEARN_ROUNDING_H

#include "core/base/error.h"
#include "core/format/activation.h"
#include "core/format/grid.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_rounding {
    int bits; /* 0: nothing is rounded */
    const pl_format *format;
    bool clamps; /* values are clamped to the range before they are rounded, as a transform's
                    clipping does with weights; else their codes are, as activations' */
    pl_scaling scaling;
    float least, most; /* of values that are not evenly spaced: their ends at scale 1 */
    bool steps_by_two; /* scales are powers of two */
} pl_rounding;

pl_rounding pl_rounding_of_weights(const pl_grid *grid);
pl_rounding pl_rounding_of_activations(const pl_act_grid *grid);

/* PL_ERR_USAGE, with a sentence that begins with `name`, for a scale that many groups share. */
PL_NODISCARD pl_status pl_round_check(const char *name, const pl_rounding *rounding, pl_error *err);

/* The grid of one group of values. */
typedef struct pl_round_group {
    pl_act_range own;  /* lo <= 0 <= hi */
    pl_act_range kept; /* the shares of it */
    float scale;       /* 0: a group of zeros, which stays */
    float zero;
} pl_round_group;

/* Whether scales depend on the largest value of a whole tensor, beside their group's. */
bool pl_round_of_tensor(const pl_rounding *rounding);

/* most: that value, or 0.  x[count]: the group. */
pl_round_group pl_round_fit(const pl_rounding *rounding, pl_act_range own, pl_act_range share,
                            float most, const float *x, size_t count);

/* out[count] = Q(x); out may be x. */
void pl_round_apply(const pl_rounding *rounding, const pl_round_group *group, const float *x,
                    size_t count, float *out);

/* dL/ds, and dL/d(kept.lo), dL/d(kept.hi) of what does not go through s. */
typedef struct pl_round_sums {
    double scale, low, high;
} pl_round_sums;

/* Both, and what the range takes from the values at its own ends: grad[count], dL/dQ(x), becomes
 * dL/dx, and *low, *high dL/d of the shares. */
void pl_round_back(const pl_rounding *rounding, const pl_round_group *group, pl_act_range share,
                   const float *x, size_t count, float *grad, double *low, double *high);

/* Clipping alone, x clamped to the shares of its own range, and back. */
void pl_clip_apply(pl_act_range own, pl_act_range share, const float *x, size_t count, float *out);
void pl_clip_back(pl_act_range own, pl_act_range share, const float *x, size_t count, float *grad,
                  double *low, double *high);

#endif
