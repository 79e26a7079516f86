/* core/solve/prox.h -- the proximal map of tau * max|.|, the step that flattens a group.
 *
 * prox(v) = v - proj_{tau B1}(v): clip v to +-c where sum max(|v_i| - c, 0) = tau; zero if ||v||_1
 * <= tau.  (Moreau; Duchi et al. 2008 for the projection.)  Newton's iteration on that convex,
 * piecewise linear function of c finds it in a handful of passes, without a sort.  The sums run in
 * fixed lanes, so the level does not depend on the machine's vector width. */
#ifndef PL_SOLVE_PROX_H
#define PL_SOLVE_PROX_H

#include <stddef.h>

/* The level c that v[count] is clipped to: 0 when everything becomes zero, max|v| for tau = 0.
 * tau >= 0, values finite; v is read only. */
float pl_prox_linf_level(const float *v, size_t count, float tau);

/* The same for each group of a row: groups of `width` values, the last one short where width does
 * not divide count.  levels[groups] holds a guess on entry (0 is always a good one; the last
 * iteration's level saves passes) and the level on return; taus[groups]. */
void pl_prox_linf_levels(const float *v, size_t count, size_t width, const float *taus,
                         float *levels);

/* The same for the prox in the metric sum metric_i (x_i - v_i)^2 / 2, metric[count] > 0: also a
 * clip, at the level c where sum metric_i max(|v_i| - c, 0) = tau. */
void pl_prox_linf_levels_in(const float *v, const float *metric, size_t count, size_t width,
                            const float *taus, float *levels);

/* v[count] clipped group by group to +-levels, into z (which may be v). */
void pl_prox_linf_clip(const float *v, size_t count, size_t width, const float *levels, float *z);

#endif
