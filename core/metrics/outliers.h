/* core/metrics/outliers.h -- numbers that describe outliers (methods.md 4). */
#ifndef PL_METRICS_OUTLIERS_H
#define PL_METRICS_OUTLIERS_H

#include "core/tensor/mat.h"

#include <stddef.h>

/* Per column of W[rows, cols] (input channels).  Each out array of cols may be NULL. */
void pl_column_stats(pl_view w, float *max, float *rms, float *mean_abs);

/* Median; of an even count the mean of the two middle values.  0 for none.  Values are copied;
 * NaN when memory is out. */
double pl_median(const float *values, size_t count);

/* Largest over median channel maximum; 0 / 0 is 1, x / 0 is infinity. */
double pl_outlier_ratio(const float *channel_max, size_t count);

/* Indices of the `top` largest values, by falling value, ties by lower index; returns how many. */
size_t pl_top_channels(const float *values, size_t count, size_t top, size_t *out);

/* A channel is an outlier where its maximum is above so many times the median channel maximum
 * (methods.md 4). */
#define PL_OUTLIER_FACTOR 6.0

/* How many channels are, by that or another factor. */
size_t pl_outlier_count(const float *channel_max, size_t count, double factor);

typedef struct pl_tensor_numbers {
    double max, rms, mean_abs;
    double kurtosis; /* E(x-mu)^4/sigma^4; a Gaussian has 3 */
    double max_over_rms;
    double share_above_6_sigma;
    double incoherence;  /* max|W| sqrt(rows cols) / ||W||_F */
    double flatness;     /* mean |c_i - 1|, c_i = column norms / their mean; 0 is flat */
    double flatness_max; /* max c_i */
} pl_tensor_numbers;

/* Float64 sums over the whole of w. */
pl_tensor_numbers pl_describe(pl_view w);

#endif
