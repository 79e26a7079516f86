/* core/study/basin.h -- the loss around a layer's weights (methods.md 2.3), evaluated, not derived.
 *
 * Directions D: from W0 to the solved weights W, a seeded Gaussian one, and the first and last
 * eigenvector of the site's Gram matrix.  Each row of every D has the norm of that row of W - W0.
 * At W0 + t D the loss is evaluated anew.  Results lie in the store.  Worker thread only. */
#ifndef PL_STUDY_BASIN_H
#define PL_STUDY_BASIN_H

#include "core/lab/lab.h"

#include <stddef.h>

enum { PL_BASIN_POINTS = 31 }; /* at most */

typedef enum pl_basin_loss {
    PL_BASIN_LAYER, /* ||X (W0 + t D)^T - X W0^T||^2 / ||X W0^T||^2 over sample rows of X */
    PL_BASIN_MODEL, /* mean negative log-likelihood of the model with that one layer changed */
} pl_basin_loss;

typedef enum pl_basin_direction {
    PL_BASIN_SOLVED,
    PL_BASIN_RANDOM,
    PL_BASIN_TOP,
    PL_BASIN_TAIL,
    PL_BASIN_DIRECTIONS,
} pl_basin_direction;

typedef struct pl_basin {
    size_t points;
    double t[PL_BASIN_POINTS]; /* rising, from -1.5 to 1.5; 0 and 1 are among them */
    double loss[PL_BASIN_DIRECTIONS][PL_BASIN_POINTS];
    double norm;      /* ||W - W0||_F / ||W0||_F */
    double top, tail; /* the eigenvalues of these directions, relative to the largest */
    size_t rows;      /* layer: rows of X used; model: scored tokens */
    size_t of_rows;   /* layer: rows of the sample */
} pl_basin;

/* Solves the layer first if that is missing.  W: the preconditioned weights, the rounded ones where
 * no preconditioner is set.  The model's loss is that of the first two windows of the calibration
 * text.  Progress in "points".  PL_ERR_STATE where W = W0 or no method is set. */
PL_NODISCARD pl_status pl_basin_load(pl_context cx, size_t layer, pl_basin_loss loss, pl_basin *out,
                                     pl_error *err);

#endif
