/* core/study/task_examples.h -- the examples (shots) before an item, drawn as lm-evaluation-harness
 * 0.4.13 draws them (lm_eval/api/samplers.py). */
#ifndef PL_STUDY_TASK_EXAMPLES_H
#define PL_STUDY_TASK_EXAMPLES_H

#include "core/base/twister.h"
#include "core/study/task_items.h"

typedef struct pl_examples {
    const pl_task_set *set, *pool; /* pool NULL: the set itself, without the item */
    size_t shots;
    pl_twister twister; /* one for all items, in their order */
    size_t *drawn;      /* [pool + 1] */
} pl_examples;

/* set and pool are borrowed.  PL_ERR_USAGE where the task needs a pool and has none.  The caller
 * deinits. */
PL_NODISCARD pl_status pl_examples_init(pl_examples *out, const pl_task_set *set,
                                        const pl_task_set *pool, size_t shots, pl_error *err);
void pl_examples_deinit(pl_examples *examples);

/* Appends all that stands before the next item's own text; items come in order, each once.
 * PL_ERR_USAGE where there are too few to draw from. */
PL_NODISCARD pl_status pl_examples_put(pl_examples *examples, size_t item, pl_buf *out,
                                       pl_error *err);

#endif
