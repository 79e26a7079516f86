#include "app/commands/task_files.h"

#include "app/usage.h"

static pl_status check_examples(const pl_call *call, const char *const *paths,
                                const pl_task_files *files, pl_error *err)
{
    for (size_t i = 1; i < files->count; i++) {
        if (files->sets[i].kind != files->sets[0].kind) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "%s: examples=%s goes with files of one task; %s is %s, %s is %s",
                                call->command->name, pl_call_value(call, "examples"), paths[0],
                                files->sets[0].kind->name, paths[i], files->sets[i].kind->name);
        }
    }
    return PL_OK;
}

pl_status pl_task_files_read(const pl_call *call, const char *const *paths, size_t count,
                             pl_task_files *out, pl_error *err)
{
    const char *examples = pl_call_value(call, "examples"), *name = pl_call_value(call, "task");
    *out = (pl_task_files){0};
    pl_status status = pl_usage_size(call, "shots", 0, 1000, &out->shots, err);
    PL_THEN(pl_usage_size(call, "limit", 0, 1u << 30, &out->limit, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = pl_task_set_read(paths[i], name, &out->sets[i], err);
        out->count += status == PL_OK;
    }
    if (status == PL_OK && examples != NULL) {
        /* Two tasks of one form are told apart by the file that is scored. */
        status = pl_task_set_read(examples, out->sets[0].kind->name, &out->examples, err);
        PL_THEN(check_examples(call, paths, out, err));
    }
    return status;
}

void pl_task_files_deinit(pl_task_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        pl_task_set_deinit(&files->sets[i]);
    }
    pl_task_set_deinit(&files->examples);
    *files = (pl_task_files){0};
}

double pl_task_files_items(const pl_task_files *files)
{
    double all = 0.0;
    for (size_t i = 0; i < files->count; i++) {
        const size_t n = json_array_size(files->sets[i].items);
        all += (double)(files->limit > 0 && files->limit < n ? files->limit : n);
    }
    return all;
}

static void take_file(const pl_task_files *files, size_t i, pl_task_run *all)
{
    all->set = &files->sets[i];
    all->pool = files->examples.kind != NULL ? &files->examples : NULL;
    all->shots = files->shots;
    all->limit = files->limit;
}

/* Where the lab has a pool: all files at once. */
static pl_status share_files(const pl_task_files *files, pl_task_run *all, pl_error *err)
{
    if (pl_pool_workers(all->cx.lab) < 2) {
        return PL_OK;
    }
    json_t *plan = json_array();
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < files->count; i++) {
        take_file(files, i, all);
        status = pl_task_plan(all, plan, err);
    }
    PL_THEN(pl_task_share(all, plan, pl_task_files_items(files), err));
    pl_task_drop_plan(all->cx.lab, plan);
    return status;
}

pl_status pl_task_files_score(const pl_task_files *files, pl_task_run *all, json_t **samples,
                              pl_error *err)
{
    pl_status status = share_files(files, all, err);
    *samples = json_array();
    for (size_t i = 0; status == PL_OK && i < files->count; i++) {
        json_t *own = NULL;
        take_file(files, i, all);
        status = pl_task_score(all, &own, err);
        if (own != NULL && json_array_extend(*samples, own) != 0) {
            status = pl_error_memory(err, "samples");
        }
        json_decref(own);
    }
    json_decref(all->made);
    all->made = NULL;
    if (status != PL_OK) {
        json_decref(*samples);
        *samples = NULL;
    }
    return status;
}
