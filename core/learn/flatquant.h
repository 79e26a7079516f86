/* core/learn/flatquant.h -- learning one site's transform, or a block's, step by step.
 *
 * AdamW with a cosine on the objective's gradient (arXiv 2410.09426, section 4.1).  A learning can
 * be left after any step and gone on with later: what it is made of is plain numbers, and the bytes
 * of the end do not depend on where it was left. */
#ifndef PL_LEARN_FLATQUANT_H
#define PL_LEARN_FLATQUANT_H

#include "core/learn/block.h"
#include "core/learn/objective.h"
#include "core/method/method.h"

/* Everything that the next step depends on beside the site. */
typedef struct pl_learning {
    pl_flat_layout at;
    uint64_t step, steps; /* done; to do */
    double rate_share;    /* of the rate: 1, halved where a step had to be taken back */
    uint64_t rollbacks;
    bool stopped;           /* taken back too often: it stays at its last good step */
    pl_error trouble;       /* what was taken back last; its message "" where nothing was */
    double *numbers;        /* what follows, [3 at.count + steps + 1] in one block */
    double *params, *m, *v; /* [at.count] */
    double *losses; /* [steps + 1]: the objective's value before step i, on its batch; the last
                       one at the end; NaN until known */
} pl_learning;

PL_NODISCARD pl_status pl_learning_init(pl_learning *l, const pl_flat_layout *at, uint64_t steps,
                                        pl_error *err);
void pl_learning_deinit(pl_learning *l);
size_t pl_learning_count(const pl_learning *l); /* of its numbers */
bool pl_learning_done(const pl_learning *l);

typedef struct pl_flatquant {
    pl_objective objective;   /* of a site, or */
    pl_block_objective block; /* of a block */
    bool of_block;
    const char *name; /* of either, borrowed */
    pl_learning now;
    double *good; /* [3 at.count] params and moments of the last step whose loss is known */
    double *gradient;
    double *rates; /* [at.count] first step sizes: of factors, diagonals and clipping */
    uint64_t good_step;
    double rate; /* the factors' */
} pl_flatquant;

/* At step 0, or at *from, which is copied and must be of this site and spec.  Deinit it in any
 * case. */
PL_NODISCARD pl_status pl_flatquant_init(pl_flatquant *f, const pl_spec *spec,
                                         const pl_site_input *in, const pl_learning *from,
                                         pl_task *task, pl_error *err);
/* The same of a whole block; now.at is the layout of its first site. */
PL_NODISCARD pl_status pl_flatquant_init_block(pl_flatquant *f, const pl_spec *spec,
                                               const pl_block_input *in, const pl_learning *from,
                                               pl_task *task, pl_error *err);
void pl_flatquant_deinit(pl_flatquant *f);

/* One step.  One that leads to a singular transform or an exploding loss is taken back, named in
 * now.trouble, and tried again with half the rate; after eight of them learning stops at the last
 * good step.  PL_ERR_NUMERIC only where the very start is no use. */
PL_NODISCARD pl_status pl_flatquant_step(pl_flatquant *f, pl_task *task, pl_error *err);

#endif
