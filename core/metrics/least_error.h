/* core/metrics/least_error.h -- how little rounding at the present scales can lose, bounded from
 * below (methods.md 1.1). */
#ifndef PL_METRICS_LEAST_ERROR_H
#define PL_METRICS_LEAST_ERROR_H

#include "core/base/task.h"
#include "core/format/grid.h"
#include "core/solve/factors.h"
#include "core/tensor/mat.h"

/* least[rows]: below (w - v) G (w - v)^T of every row w of w and every row v that q's scales and
 * zero points can write, whatever its codes; 0 where G is singular.  NaN throughout where there are
 * more channels than pl_diagonal_below takes. */
PL_NODISCARD pl_status pl_least_rounded(pl_factors *factors, pl_view w, const pl_qweights *q,
                                        double *least, pl_task *task, pl_error *err);

/* The sum of them over tr(W G W^T): below the relative error of every such rounding. */
PL_NODISCARD pl_status pl_least_rounded_error(pl_factors *factors, pl_view w, const pl_qweights *q,
                                              double *out, pl_task *task, pl_error *err);

#endif
