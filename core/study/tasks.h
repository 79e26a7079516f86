/* core/study/tasks.h -- the published tasks scored as lm-evaluation-harness scores them: choices by
 * their log-likelihoods, written answers by exact match.  Worker thread only.
 *
 * Examples are drawn as its samplers draw them, from one generator for all items of a file in their
 * order.  Scores are kept in the store, several items together, under the model's hash. */
#ifndef PL_STUDY_TASKS_H
#define PL_STUDY_TASKS_H

#include "core/lab/pool.h"
#include "core/study/task_items.h"

typedef struct pl_task_run {
    pl_context cx;
    pl_which which; /* before or after */
    const pl_task_set *set;
    const pl_task_set *pool; /* the examples' file; NULL: the set itself, without the item */
    size_t shots;
    size_t limit;            /* the first so many items; 0: all */
    bool arguments;          /* samples list contexts and continuations */
    double done, total;      /* items, for progress; done is advanced */
    size_t distinct, tokens; /* out: tokens that the model read, and tokens of all requests; neither
                                counts what the store had */
    size_t known;            /* out: items that the store had */
    json_t *made;            /* set by pl_task_share, the caller's to decref; NULL at first */
} pl_task_run;

/* One sample an item, in lm-eval's words: task, doc_id, doc, target, resps (of each choice its
 * log-likelihood and whether it is greedy; or the text), filtered_resps, acc, acc_norm or
 * exact_match, and answer: the index of the chosen choice, or the text.  Caller decrefs. */
PL_NODISCARD pl_status pl_task_score(pl_task_run *run, json_t **samples, pl_error *err);

/* For a pool.  plan: adds the run's items to an array of units, without those that the store has.
 * share: has the pool compute all units of the array, so many items.  pl_task_score then finds them
 * in the store, and counts them as computed. */
PL_NODISCARD pl_status pl_task_plan(pl_task_run *run, json_t *plan, pl_error *err);
PL_NODISCARD pl_status pl_task_share(pl_task_run *run, json_t *plan, double items, pl_error *err);
/* Frees the array, and removes the units' requests from the store. */
void pl_task_drop_plan(pl_lab *lab, json_t *plan);
extern const pl_unit_kind pl_unit_tasks;

/* One row a metric: task, metric, n, shots, then NAME and NAME_stderr for each side and, for two
 * sides, changed (answers that differ), lost (right before, wrong after) and gained.  mmlu's groups
 * and its total, weighted by size, follow its subjects.  Caller decrefs. */
json_t *pl_task_rows(json_t *const *samples, const char *const *names, size_t sides, size_t shots);

/* The `task` of rows of means. */
#define PL_TASK_MEAN "mean"

/* Rows of one model's samples beside those of another on the same items (first; NULL: none): task,
 * metric, n, shots, score, score_stderr, and difference and difference_stderr, paired by item (null
 * without first; Miller, "Adding Error Bars to Evals", 2024, 4).  mmlu has one row.  Several tasks
 * are followed by their unweighted means: `acc`, over the first metric of each task, and, where a
 * task has acc_norm, `acc_norm`, over that or the task's own metric; n is the number of tasks.
 * Caller decrefs. */
json_t *pl_task_compare(const json_t *first, json_t *samples, size_t shots);

#endif
