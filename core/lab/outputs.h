/* core/lab/outputs.h -- what a layer's output loses, on the stored rows of its input.
 *
 * Measured on the seeded sample of X that calibration keeps (calib.h), since activations cannot be
 * quantized through a Gram matrix.  Worker thread only. */
#ifndef PL_LAB_OUTPUTS_H
#define PL_LAB_OUTPUTS_H

#include "core/lab/lab.h"
#include "core/method/transform.h"
#include "core/metrics/outliers.h"

typedef struct pl_outputs_request {
    pl_context cx; /* the state's activations are meant */
    pl_id calibration;
    size_t layer;
    const pl_transform *transform; /* T, or NULL */
    pl_view w0;                    /* W, original */
    pl_view turned;                /* W T^-T */
    pl_view used;                  /* Q(...), or what was handed where there is no rounder */
} pl_outputs_request;

/* NaN throughout where no rows are stored. */
typedef struct pl_outputs {
    double function_error; /* max |X W^T - (X T)(W T^-T)^T| / max |X W^T|; 0 without a transform */
    double condition;      /* of T; 1 without */
    double output_error;   /* ||X W^T - Q(X T) used^T||^2 / ||X W^T||^2 */
    pl_tensor_numbers before, after; /* of X and of X T */
    pl_act_range range;              /* of X T */
} pl_outputs;
PL_NODISCARD pl_status pl_outputs_measure(const pl_outputs_request *request, pl_outputs *out,
                                          pl_error *err);

/* The least and the largest value, 0 included, of a site's X T on the stored rows of stats: the one
 * range of grids that are `fixed`.  Nothing (0, 0) where no rows are stored.  transform: T, or
 * NULL. */
PL_NODISCARD pl_status pl_outputs_range(const pl_transform *transform, const pl_site_stats *stats,
                                        pl_act_range *out, pl_task *task, pl_error *err);

/* In place x[rows, n] <- Q(x T) T^-1: what a layer in the original coordinates is given. */
PL_NODISCARD pl_status pl_outputs_round_trip(const pl_act_grid *grid, const pl_transform *transform,
                                             pl_act_range range, float *x, size_t rows, size_t n,
                                             pl_task *task, pl_error *err);

#endif
