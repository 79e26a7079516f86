/* core/metrics/spread.h -- how values are spread: minimum, quantiles, maximum, exactly.
 *
 * Quantiles interpolate between the two nearest order statistics, at q (n - 1) from 0 (numpy's
 * default).  Found by selection, O(n), never by sorting. */
#ifndef PL_METRICS_SPREAD_H
#define PL_METRICS_SPREAD_H

#include "core/base/task.h"
#include "core/tensor/groups.h"
#include "core/tensor/mat.h"

#include <stdbool.h>
#include <stddef.h>

/* Minimum, 1 %, 25 %, median, 75 %, 99 %, maximum. */
enum { PL_SPREAD_NUMBERS = 7 };

/* The k-th smallest (from 0) of finite values, count > k; permutes them: afterwards values[k] is
 * it, those before are not larger, those behind not smaller. */
float pl_select(float *values, size_t count, size_t k);

/* Of finite values, which are permuted; all zeros for none. */
void pl_spread(float *values, size_t count, double out[PL_SPREAD_NUMBERS]);

/* Of each group of columns over all rows of w (group_size 0: all columns; the last group may be
 * short): out[groups, PL_SPREAD_NUMBERS].  magnitudes: of |w|.  PL_ERR_NUMERIC names the row and
 * column of a value that is not finite. */
PL_NODISCARD pl_status pl_group_spreads(pl_view w, size_t group_size, bool magnitudes, double *out,
                                        pl_task *task, pl_error *err);

#endif
