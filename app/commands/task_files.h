/* app/commands/task_files.h -- the files of published tasks that a call names, and their scores.  A
 * call that scores them has the keys shots=, examples= and limit=; task= if all files are of one
 * task. */
#ifndef PL_APP_COMMANDS_TASK_FILES_H
#define PL_APP_COMMANDS_TASK_FILES_H

#include "app/command.h"
#include "core/study/tasks.h"

typedef struct pl_task_files {
    pl_task_set sets[PL_MAX_TEXTS], examples; /* examples.kind NULL: no examples= was given */
    size_t count, shots, limit;
} pl_task_files;

/* Reads paths[count], at most PL_MAX_TEXTS, as tasks.  PL_ERR_USAGE where examples= goes with files
 * of several tasks, else as pl_task_set_read.  Caller deinits, also after a failure. */
PL_NODISCARD pl_status pl_task_files_read(const pl_call *call, const char *const *paths,
                                          size_t count, pl_task_files *out, pl_error *err);
void pl_task_files_deinit(pl_task_files *files);

/* Items of all files within the limit. */
double pl_task_files_items(const pl_task_files *files);

/* Scores one side on all files.  all: in: context, side, arguments and progress; out: the counts of
 * all files.  *samples: of all files, in order; caller decrefs. */
PL_NODISCARD pl_status pl_task_files_score(const pl_task_files *files, pl_task_run *all,
                                           json_t **samples, pl_error *err);

#endif
