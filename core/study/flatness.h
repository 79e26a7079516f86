/* core/study/flatness.h -- how flat a layer's channels are under several transforms (methods.md 3):
 * the norms of the columns of W T^-T and of X T, and the numbers of methods.md 4.  X are the stored
 * rows of the site's input.  Worker thread only. */
#ifndef PL_STUDY_FLATNESS_H
#define PL_STUDY_FLATNESS_H

#include "core/lab/lab.h"
#include "core/metrics/outliers.h"

#include <stdbool.h>
#include <stddef.h>

enum { PL_FLATNESS_CURVES = 5, PL_FLATNESS_TOP = 8 };

typedef struct pl_flatness_curve {
    char label[64];      /* "none", "smoothquant alpha=0.5", "hadamard > astro" */
    bool keeps_channels; /* channel c is still channel c: no transform, or a scaling */
    float *norms;        /* [n] Frobenius norm of each column over the mean of them */
    double mean;         /* that mean */
    float *max;          /* [n] largest |value| of each column */
    pl_tensor_numbers numbers;
    double ratio;      /* largest over median channel maximum */
    double top_energy; /* share of the squared norm in the PL_FLATNESS_TOP largest channels */
} pl_flatness_curve;

typedef struct pl_flatness {
    size_t n, rows; /* channels; rows of W, or stored rows of X */
    size_t count;
    pl_flatness_curve curves[PL_FLATNESS_CURVES];
} pl_flatness;

/* No transform, SmoothQuant, Hadamard, and the layer's own transform if it is another one: a
 * learned one as far as it has been learned, and left out before learning has begun.  For weights
 * solved with a preconditioner also what the rounder got.  Caller deinits out; empty on failure.
 * PL_ERR_STATE where no rows of X are stored. */
PL_NODISCARD pl_status pl_flatness_load(pl_context cx, pl_id calibration, size_t layer,
                                        pl_side side, pl_flatness *out, pl_error *err);
void pl_flatness_deinit(pl_flatness *flatness);

#endif
