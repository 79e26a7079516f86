/* core/metrics/softmax.h -- sums over one row of logits.  Private to core/metrics.
 *
 * float32 data, float64 sums over fixed lanes: the result does not depend on the vector width or
 * the threads.  exp is good to 2e-7 relative. */
#ifndef PL_METRICS_SOFTMAX_H
#define PL_METRICS_SOFTMAX_H

#include <stddef.h>

/* Largest of x[count]; a NaN is passed over (the sums show it). */
float pl_row_max(const float *x, size_t count);

/* First index of a value, count if it is not there. */
size_t pl_row_find(const float *x, size_t count, float value);

/* log sum exp(x): finite exactly where all of x is, as far as max = pl_row_max(x) is. */
double pl_row_log_sum_exp(const float *x, size_t count, float max);

/* KL(p || q) in nats of p = softmax(a), q = softmax(b), given a's maximum and both log sums. */
double pl_row_kl(const float *a, const float *b, size_t count, float max_a, double log_a,
                 double log_b);

#endif
