#include "core/base/task.h"

#include <stddef.h>

pl_status pl_task_tick(pl_task *task, pl_error *err)
{
    if (task == NULL) {
        return PL_OK;
    }
    if (task->give_way != NULL && !atomic_load(&task->cancel)) {
        task->give_way(task->ctx);
    }
    return atomic_load(&task->cancel) ? pl_error_set(err, PL_ERR_CANCELLED, "cancelled") : PL_OK;
}

void pl_task_progress(pl_task *task, const char *what, double done, double total)
{
    if (task != NULL && task->progress != NULL) {
        task->progress(task->ctx, what, done, total);
    }
}
