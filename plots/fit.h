/* plots/fit.h -- axis ranges from the data: a little room, nothing cut off. */
#ifndef PL_PLOTS_FIT_H
#define PL_PLOTS_FIT_H

#include "plots/figure.h"

/* A log axis shows at most eight decades below the largest value. */
#define PL_LOG_FLOOR 1e-8

/* y from the values of all series and from `rule` (0: none).  Linear: from 0 unless some are
 * negative.  log: where anything is above 0, else linear; values at or below 0 land on the axis'
 * lower end. */
void pl_fit_y(pl_figure *figure, bool log, double rule);

/* Whether a log axis suits curves whose scale nobody chose: one curve's largest value is more than
 * 20 times its median. */
bool pl_fit_wants_log(const pl_figure *figure);

/* pl_fit_y for spreads of magnitudes on a log axis.  It starts at their 1 % quantiles: the smallest
 * values mean nothing and may lie decades below the rest. */
void pl_fit_magnitudes(pl_figure *figure);

/* An axis for the n positions first, first + 1, ..., with room beside the outer ones;
 * whole ticks. */
void pl_fit_positions(pl_axis *axis, double first, size_t n);

/* A log axis for values from lo to hi, 0 < lo <= hi. */
void pl_fit_log(pl_axis *axis, double lo, double hi);

#endif
