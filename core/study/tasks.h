/* core/study/tasks.h -- the published tasks scored as lm-evaluation-harness scores them: choices by
 * their log-likelihoods, written answers by exact match.  Worker thread only.
 *
 * Examples are drawn as its samplers draw them, from one generator for all items of a file in their
 * order.  What was scored is kept in the store, some items together, by what the model is. */
#ifndef PL_STUDY_TASKS_H
#define PL_STUDY_TASKS_H

#include "core/lab/pool.h"
#include "core/study/task_items.h"

typedef struct pl_task_run {
    pl_context cx;
    pl_which which; /* before or after */
    const pl_task_set *set;
    const pl_task_set *pool; /* of examples; NULL: the set itself, without the item */
    size_t shots;
    size_t limit;            /* the first so many items; 0: all */
    bool arguments;          /* samples have them: contexts and continuations */
    double done, total;      /* items, for progress; done is advanced */
    size_t distinct, tokens; /* out: tokens that the model read, and those of all requests; of what
                                the store had neither is counted */
    size_t known;            /* out: items that the store had */
    json_t *made;            /* of pl_task_share, the caller's to decref; NULL */
} pl_task_run;

/* One sample an item, in lm-eval's words: task, doc_id, doc, target, resps (of each choice its
 * log-likelihood and whether it is greedy; or the text), filtered_resps, acc, acc_norm or
 * exact_match, and answer: the index of the chosen choice, or the text.  Caller decrefs. */
PL_NODISCARD pl_status pl_task_score(pl_task_run *run, json_t **samples, pl_error *err);

/* By a pool: the run's items as units, to an array, those left out that the store has; then all of
 * the array, so many items, at once.  What it has made pl_task_score finds in the store, and counts
 * as computed. */
PL_NODISCARD pl_status pl_task_plan(pl_task_run *run, json_t *plan, pl_error *err);
PL_NODISCARD pl_status pl_task_share(pl_task_run *run, json_t *plan, double items, pl_error *err);
/* Frees the array, and what of it lies in the store. */
void pl_task_drop_plan(pl_lab *lab, json_t *plan);
extern const pl_unit_kind pl_unit_tasks;

/* Rows of a metric each: task, metric, n, shots, then NAME and NAME_stderr of each of the sides,
 * and of two sides changed (answers that differ), lost (right before, wrong after) and gained.
 * Behind mmlu's subjects its groups and all of it, weighted by size.  Caller decrefs. */
json_t *pl_task_rows(json_t *const *samples, const char *const *names, size_t sides, size_t shots);

/* What the rows of means have as their task. */
#define PL_TASK_MEAN "mean"

/* Rows of one model's samples beside those of another on the same items (first; NULL: none): task,
 * metric, n, shots, score, score_stderr, and difference and difference_stderr, paired by item (null
 * without first; Miller, "Adding Error Bars to Evals", 2024, 4).  Of mmlu its one row.  Behind
 * several tasks their mean, unweighted: `acc` of what each task is scored by first, and, where one
 * has acc_norm, `acc_norm` of that and of the others' own; n is how many tasks.  Caller decrefs. */
json_t *pl_task_compare(const json_t *first, json_t *samples, size_t shots);

#endif
