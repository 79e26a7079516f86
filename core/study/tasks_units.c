/* Tasks by a pool: items whose scores are kept together are a unit, described by the tokens of
 * their requests.  A unit's scores are an entry of the store. */
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/tasks_parts.h"

#include <stdlib.h>
#include <string.h>

/* --- what a unit does ------------------------------------------------------------------------- */

static const pl_task_kind *find_kind(const char *name)
{
    const pl_task_kind *const *kind = pl_task_kinds();
    while (*kind != NULL && (name == NULL || strcmp((*kind)->name, name) != 0)) {
        kind++;
    }
    return *kind;
}

static pl_status score_pending(pl_scorer *s, pl_id key, bool writes, bool *known, pl_error *err)
{
    const size_t wide = PL_TASK_MOST_WRITTEN + 1, n = s->n_pending;
    int32_t *ids = writes ? pl_alloc(n * wide, sizeof *ids) : NULL;
    double *kept = writes ? NULL : pl_alloc(2 * n, sizeof *kept);
    pl_status status = ids == NULL && kept == NULL ? pl_error_memory(err, "scores")
                       : writes                    ? pl_scorer_answer(s, 0, n, key, ids, known, err)
                                                   : pl_scorer_score(s, key, kept, known, err);
    free(ids);
    free(kept);
    return status;
}

static pl_status run_batch(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    const pl_task_set set = {.kind = find_kind(json_string_value(json_object_get(what, "task")))};
    pl_task_run run = {.cx = cx, .which = (pl_which)pl_pool_read_size(what, "which"), .set = &set};
    pl_scorer s = {.run = &run,
                   .model = cx.state->source->model,
                   .positions = pl_pool_read_size(what, "positions")};
    pl_id key = {0};
    void *bytes = NULL;
    size_t size = 0;
    bool known = false;
    if (set.kind == NULL) {
        return pl_error_set(err, PL_ERR_FORMAT, "tasks: a task that is not known");
    }
    pl_status status =
        pl_pool_get_bytes(cx.lab, pl_pool_read_id(what, "requests"), &bytes, &size, err);
    PL_THEN(pl_scorer_begin(&s, err));
    PL_THEN(pl_scorer_take_requests(&s, bytes, size, err));
    PL_THEN(pl_scorer_key(&s, &key, err));
    if (status == PL_OK && !pl_id_equal(key, pl_pool_read_id(what, "key"))) {
        status = pl_error_set(err, PL_ERR_CHANGED, "tasks: the model is another one here");
    }
    PL_THEN(score_pending(&s, key, json_is_true(json_object_get(what, "writes")), &known, err));
    pl_json_set(answer, "distinct", json_integer((json_int_t)run.distinct));
    pl_json_set(answer, "tokens", json_integer((json_int_t)run.tokens));
    pl_json_set(answer, "known", json_boolean(known));
    pl_scorer_end(&s);
    free(bytes);
    return status;
}

const pl_unit_kind pl_unit_tasks = {.name = "tasks", .counting = "items", .run = run_batch};

/* --- asking for them -------------------------------------------------------------------------- */

pl_status pl_task_share(pl_task_run *run, json_t *plan, double items, pl_error *err)
{
    pl_units units = {.kind = &pl_unit_tasks,
                      .list = json_incref(plan),
                      .done = run->done,
                      .total = run->done + items};
    size_t i;
    json_t *unit;
    pl_status status = pl_pool_run(run->cx, &units, err);
    json_decref(run->made);
    run->made = json_object();
    json_array_foreach(plan, i, unit)
    {
        json_t *answer = json_array_get(units.answers, i);
        if (json_is_object(answer) && json_is_false(json_object_get(answer, "known"))) {
            pl_json_set(run->made, json_string_value(json_object_get(unit, "key")),
                        json_incref(answer));
        }
    }
    json_decref(units.answers);
    return status;
}

void pl_task_drop_plan(pl_lab *lab, json_t *plan)
{
    size_t i;
    json_t *unit;
    json_array_foreach(plan, i, unit)
    {
        pl_pool_drop_bytes(lab, pl_pool_read_id(unit, "requests"));
    }
    json_decref(plan);
}
