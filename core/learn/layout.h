/* core/learn/layout.h -- FlatQuant's parameters on one site: where each begins, how it starts, and
 * the transform that they mean.
 *
 * T = diag(exp(s)) (P1 (x) P2) with learned clipping of every weight row's groups and of the input
 * (arXiv 2410.09426, section 3.1).  One vector of float64.  The diagonal is learned by its
 * logarithm, which keeps it positive and makes a step relative to its size. */
#ifndef PL_LEARN_LAYOUT_H
#define PL_LEARN_LAYOUT_H

#include "core/method/transform.h"

#include <stdint.h>

/* Instead of an offset: there is no such part. */
#define PL_FLAT_NONE SIZE_MAX

/* Offsets; a part without a quantizer is empty. */
typedef struct pl_flat_layout {
    size_t n1, n2, n;
    size_t rows;                    /* of all layers of the site, one after the other */
    size_t groups, width;           /* of a weight row's scales */
    size_t first, second;           /* factors (factor.h) */
    size_t scale;                   /* [n], log of the diagonal, or PL_FLAT_NONE */
    size_t clips;                   /* where the clipping begins: what follows has its own rate */
    size_t weight_low, weight_high; /* [rows, groups] */
    size_t input_low, input_high;   /* [1] */
    size_t count;
} pl_flat_layout;

pl_flat_layout pl_flat_layout_of(const pl_site_input *in);

/* The same of a site whose factors are given, n1 n2 = in->n; diagonal false: without one. */
pl_flat_layout pl_flat_layout_split(const pl_site_input *in, size_t n1, size_t n2, bool diagonal);

/* A site's layout inside a longer vector: factors and diagonal begin at `parts`, the clipping at
 * `clips`; count and clips stay the caller's to set. */
void pl_flat_layout_move(pl_flat_layout *at, size_t parts, size_t clips);

/* Whether it is the layout of a site of n channels and so many rows: all of its offsets follow from
 * these and from what is quantized, in groups of whatever width. */
bool pl_flat_layout_fits(const pl_flat_layout *at, size_t n, size_t rows);

/* sigmoid: the share of a range's end that a clipping parameter keeps. */
double pl_flat_share(double p);

/* Where the clipping of weights starts. */
#define PL_FLAT_CLIP_START 4.0

/* Where the clipping of inputs or of a cache starts: the same; or at a share of 1, where it has no
 * slope to be learned by: codes are clamped, not values, and scales are powers of two, or groups
 * have a range that clipping leaves alone (range=tensor). */
double pl_flat_clip_start(const pl_act_grid *grid);

/* The parameters to start with: random orthogonal factors, exp(s_c) = max|W_c|^(1-alpha) /
 * max|X_c|^alpha (the paper's code, alpha = 0.3), the weights' clipping at sigmoid(4). */
PL_NODISCARD pl_status pl_flat_start(const pl_flat_layout *at, const pl_site_input *in,
                                     double alpha, uint64_t seed, double *params, pl_error *err);

/* What parameters mean.  PL_ERR_NUMERIC names a singular factor. */
PL_NODISCARD pl_status pl_flat_transform(const pl_flat_layout *at, const double *params,
                                         pl_transform **out, pl_error *err);

#endif
