/* core/metrics/followed.h -- the error of a layer of the quantized model against the original one's
 * output, each on its own inputs. */
#ifndef PL_METRICS_FOLLOWED_H
#define PL_METRICS_FOLLOWED_H

#include "core/base/task.h"
#include "core/solve/factors.h"
#include "core/tensor/mat.h"

/* ||X0 W0^T - X W^T||^2 / ||X0 W0^T||^2: X0 are the original model's inputs, X those of the
 * factors' Gram matrix, whose cross (not NULL) is of both; original: the Gram matrix of X0 alone.
 * With D = (X0 - X)^T X / T: tr(W0 G0 W0^T) - tr(W0 G W0^T) - 2 tr(W0 D W^T) + tr((W - W0) G (W -
 * W0)^T) over the first of these terms.  Rows float32, sums float64: good to some 1e-6 of the
 * energy. */
PL_NODISCARD pl_status pl_original_output_error(pl_factors *factors, pl_factors *original,
                                                pl_view w0, pl_view w, double *out, pl_task *task,
                                                pl_error *err);

#endif
