/* app/commands/compare_tasks.h -- `compare on=tasks`: the scores of each setting on published
 * tasks. */
#ifndef PL_APP_COMMANDS_COMPARE_TASKS_H
#define PL_APP_COMMANDS_COMPARE_TASKS_H

#include "app/commands/task_files.h"

/* The values of on=, as compare's table of keys has them. */
enum { PL_COMPARE_ON_TEXT, PL_COMPARE_ON_TASKS };

/* A difference of more standard errors than this is called real. */
#define PL_COMPARE_REAL 2.0

typedef struct pl_compare_tasks {
    pl_task_files files; /* empty: no tasks were asked for */
    json_t *first;       /* samples of the first setting */
    pl_id id;            /* of the items */
} pl_compare_tasks;

/* The keys on=, tasks=, shots=, limit=, examples= of a `compare`; Appended to said as a figure's
 * file holds them.  PL_ERR_USAGE where on=tasks comes without tasks=, or another of these keys
 * without on=tasks.  Caller deinits, also after a failure. */
PL_NODISCARD pl_status pl_compare_tasks_read(const pl_call *call, pl_compare_tasks *out,
                                             pl_buf *said, pl_error *err);
void pl_compare_tasks_deinit(pl_compare_tasks *tasks);

/* Scores a side of a state: *rows as of pl_task_compare, with `differs`, against the first setting
 * that was scored with PL_WHICH_AFTER.  *found stays true if the store had all items.  Caller
 * decrefs. */
PL_NODISCARD pl_status pl_compare_tasks_score(pl_compare_tasks *tasks, pl_context cx,
                                              pl_which which, bool *found, json_t **rows,
                                              pl_error *err);

/* The tasks of a compared row as columns of `line`: arc_easy_acc, arc_easy_acc_stderr, ... */
void pl_compare_tasks_columns(const json_t *row, json_t *line);

/* A line for each task and setting, for a person; nothing without tasks. */
void pl_compare_tasks_put(const pl_call *call, pl_buf *out);

/* "; highest mean acc 0.43: row 2", appended; with one task, that task's score. */
void pl_compare_tasks_put_line(const pl_call *call, pl_buf *out);

#endif
