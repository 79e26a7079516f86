/* core/learn/site.h -- one site's learned transform and quantizers, forward and back.
 *
 * T = diag(exp(s)) (P1 (x) P2), rounding with learned clipping of every weight row's groups and of
 * the inputs (layout.h).  Weights are rounded to nearest on the rounder's grid, whatever the
 * rounder, without a search of the range.  Parameters and their sums are float64, matrices
 * float32. */
#ifndef PL_LEARN_SITE_H
#define PL_LEARN_SITE_H

#include "core/learn/factor.h"
#include "core/learn/layout.h"
#include "core/learn/rounding.h"
#include "core/learn/scaled_kron.h"

typedef struct pl_flat_site {
    pl_flat_layout at;
    pl_rounding weights, inputs;
    float act_share; /* what the activations' grid keeps of a range by itself */
    bool act_fixed;  /* one range for all tokens of a batch */
    bool act_shared; /* what groups' scales know of a tensor is of all tokens, not of a token */
    size_t input_width, input_groups; /* of a token's scales */
    size_t most;                      /* rows of input at once */
    size_t *layer_ends;               /* [n_layers], rows */
    size_t n_layers;
    pl_factor p1, p2;
    float *f1, *f2, *g1, *g2; /* P1, P2 and P1^-T, P2^-T */
    float *scale, *unscale;   /* [n] exp(s), exp(-s) */
    pl_round_group *groups;   /* weights' [rows, groups], inputs' [most, input_groups] */
    double *ends;             /* [2 most input_groups] */
    double *sums;             /* what follows: gradients of the parts, added up */
    double *f1_sum, *f2_sum, *g1_sum, *g2_sum, *scale_sum, *unscale_sum;
} pl_flat_site;

/* turns: false where another site's T is this one's, too, so that it has quantizers alone, and
 * neither factors nor their sums.  What scales know of a tensor is a layer's, with the rounder's
 * fused_scales=shared, too.  PL_ERR_USAGE where many groups share a scale.  Deinit it in any
 * case. */
PL_NODISCARD pl_status pl_flat_site_init(pl_flat_site *s, const pl_flat_layout *at,
                                         const pl_site_input *in, size_t most, bool turns,
                                         pl_error *err);
void pl_flat_site_deinit(pl_flat_site *s);

/* Everything from the parameters, and sums of 0.  PL_ERR_NUMERIC names what is singular. */
PL_NODISCARD pl_status pl_flat_site_make(pl_flat_site *s, const double *params, pl_error *err);

/* X -> X T, and W -> W T^-T. */
pl_scaled_kron pl_flat_site_input_map(const pl_flat_site *s);
pl_scaled_kron pl_flat_site_weight_map(const pl_flat_site *s);

/* wq = Q(wt), of rows [first, first + rows) of [at.rows, n], which are whole layers.  And back:
 * grad, dL/dwq, becomes dL/dwt, and the gradients of those rows' clipping are set. */
void pl_flat_site_round_weights(pl_flat_site *s, const double *params, size_t first, size_t rows,
                                const float *wt, float *wq);
void pl_flat_site_weights_back(pl_flat_site *s, const double *params, size_t first, size_t rows,
                               const float *wt, float *grad, double *gradient);

/* xq[rows, n] = Q(xt).  And back, of the same rows, which add to the gradients of the clipping. */
void pl_flat_site_round_inputs(pl_flat_site *s, const double *params, const float *xt, size_t rows,
                               float *xq);
void pl_flat_site_inputs_back(pl_flat_site *s, const double *params, const float *xt, size_t rows,
                              float *grad, double *gradient);

/* gradient of the factors' and the diagonal's parameters from the sums. */
void pl_flat_site_gradient(pl_flat_site *s, const double *params, double *gradient);

/* The shares of a range's ends that two clipping parameters keep; and d sigmoid(p) / dp from the
 * share itself. */
pl_act_range pl_flat_shares(const double *params, size_t low, size_t high);
double pl_flat_slope(float share);

/* Group i of the weights' [rows, groups]: where its values begin, and how many they are. */
typedef struct pl_flat_span {
    size_t first, count;
} pl_flat_span;
pl_flat_span pl_flat_span_of(const pl_flat_layout *at, size_t i);

/* Group i of rows [rows, n] that have `groups` of `width` values each, the last of what is left. */
pl_flat_span pl_flat_span_in(size_t n, size_t groups, size_t width, size_t i);

#endif
