/* core/solve/adamw.h -- AdamW (Loshchilov and Hutter, ICLR 2019) in float64. */
#ifndef PL_SOLVE_ADAMW_H
#define PL_SOLVE_ADAMW_H

#include <stddef.h>
#include <stdint.h>

/* One step on p[n] with gradient g[n] and moments m[n], v[n] (zeros before the first step, which is
 * step 1): p <- p (1 - rate decay) - rate m^ / (sqrt(v^) + 1e-8), b1 = 0.9, b2 = 0.999, with
 * rate_i = share * rates[i]. */
void pl_adamw_step(double *p, const double *g, double *m, double *v, size_t n, uint64_t step,
                   const double *rates, double share, double decay);

/* The cosine from `first` at step 0 to 1e-3 of it at step `steps` (FlatQuant's schedule). */
double pl_cosine_rate(double first, uint64_t step, uint64_t steps);

#endif
