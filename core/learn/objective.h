/* core/learn/objective.h -- FlatQuant's objective on one site, and its gradient.
 *
 * L = ||X W^T - Q(X T) Q(W T^-T)^T||^2 over a batch of stored rows; W are the weights of all layers
 * of the site, one below the other (arXiv 2410.09426, section 3.1, on linear layers with one input
 * instead of a block). */
#ifndef PL_LEARN_OBJECTIVE_H
#define PL_LEARN_OBJECTIVE_H

#include "core/base/task.h"
#include "core/learn/site.h"

typedef struct pl_objective {
    const char *name; /* of the site, borrowed */
    pl_flat_layout at;
    pl_flat_site site;
    size_t samples, batch; /* stored rows; rows of one step, at most */
    float *x, *w, *y;      /* [samples, n] in the order that the seed gives, [rows, n], X W^T */
    float *work;           /* what follows, in one block */
    float *xt, *xq, *xg;   /* [batch, n] X T, its Q, dL/d of either */
    float *wt, *wq, *wg;   /* [rows, n] */
    float *lost;           /* [batch, rows] */
} pl_objective;

/* Copies what it needs of the site.  PL_ERR_STATE where no rows are stored or nothing is quantized,
 * PL_ERR_USAGE for a grid whose scales many groups share.  Deinit it in any case. */
PL_NODISCARD pl_status pl_objective_init(pl_objective *o, const pl_site_input *in, size_t batch,
                                         uint64_t seed, pl_task *task, pl_error *err);
void pl_objective_deinit(pl_objective *o);

/* Batches of the stored rows, which a learning takes in turn. */
size_t pl_objective_batches(const pl_objective *o);

/* *value = L / ||X W^T||^2 of the batch; gradient[at.count], that of log L (each loss over its own
 * value), or NULL.  PL_ERR_NUMERIC names what is singular or not finite. */
PL_NODISCARD pl_status pl_objective_value(pl_objective *o, const double *params, size_t batch,
                                          double *value, double *gradient, pl_task *task,
                                          pl_error *err);

#endif
