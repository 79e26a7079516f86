/* Tasks by a pool: items whose scores are kept together are a unit, described by the tokens of
 * their requests.  A unit's scores are an entry of the store. */
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/tasks_parts.h"

#include <stdlib.h>
#include <string.h>

/* --- requests as bytes ------------------------------------------------------------------------ */

/* Of each: context, count (uint64), tokens (int32). */
static pl_status pack_requests(const pl_scorer *s, char **out, size_t *size, pl_error *err)
{
    size_t at = 0;
    *size = 0;
    for (size_t i = 0; i < s->n_pending; i++) {
        *size += 2 * sizeof(uint64_t) + s->pending[i].count * sizeof(int32_t);
    }
    *out = malloc(*size > 0 ? *size : 1);
    if (*out == NULL) {
        return pl_error_memory(err, "requests");
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        const pl_encoded *e = &s->pending[i];
        const uint64_t head[2] = {e->context, e->count};
        memcpy(*out + at, head, sizeof head);
        memcpy(*out + at + sizeof head, e->ids, e->count * sizeof *e->ids);
        at += sizeof head + e->count * sizeof *e->ids;
    }
    return PL_OK;
}

static pl_status read_requests(pl_scorer *s, const char *bytes, size_t size, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t at = 0; status == PL_OK && at < size;) {
        uint64_t head[2] = {0};
        pl_encoded e = {0};
        const size_t left = size - at;
        if (left >= sizeof head) {
            memcpy(head, bytes + at, sizeof head);
        }
        if (left < sizeof head || head[1] > (left - sizeof head) / sizeof *e.ids ||
            head[0] > head[1]) {
            return pl_error_set(err, PL_ERR_FORMAT, "tasks: requests that are not whole");
        }
        e.context = (size_t)head[0];
        e.count = (size_t)head[1];
        e.ids = pl_alloc(e.count + 1, sizeof *e.ids);
        if (e.ids == NULL) {
            return pl_error_memory(err, "requests");
        }
        memcpy(e.ids, bytes + at + sizeof head, e.count * sizeof *e.ids);
        at += sizeof head + e.count * sizeof *e.ids;
        status = pl_scorer_push(s, &e, err);
        free(e.ids);
    }
    return status;
}

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
    PL_THEN(read_requests(&s, bytes, size, err));
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

static bool is_planned(const json_t *plan, const char *key)
{
    size_t i;
    json_t *unit;
    json_array_foreach(plan, i, unit)
    {
        if (strcmp(json_string_value(json_object_get(unit, "key")), key) == 0) {
            return true;
        }
    }
    return false;
}

pl_status pl_scorer_plan(pl_scorer *s, pl_id key, bool writes, pl_error *err)
{
    char text[PL_ID_TEXT], *bytes = NULL;
    size_t size = 0, tokens = 0;
    pl_id requests = {0};
    pl_id_format(key, text);
    if (pl_store_has(pl_lab_store(s->run->cx.lab), "tasks", key) || is_planned(s->plan, text)) {
        return PL_OK;
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        tokens += s->pending[i].count + (writes ? PL_TASK_MOST_WRITTEN : 0);
    }
    pl_status status = pack_requests(s, &bytes, &size, err);
    PL_THEN(pl_pool_put_bytes(s->run->cx.lab, bytes, size, &requests, err));
    if (status == PL_OK) {
        pl_json_append(s->plan,
                       json_pack("{s:s, s:o, s:s, s:i, s:b, s:I, s:f}", "key", text, "requests",
                                 pl_pool_id(requests), "task", s->run->set->kind->name, "which",
                                 (int)s->run->which, "writes", (int)writes, "positions",
                                 (json_int_t)s->positions, "cost", (double)tokens));
    }
    free(bytes);
    return status;
}

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

void pl_scorer_count_known(pl_scorer *s, pl_id key, size_t items)
{
    char text[PL_ID_TEXT];
    pl_id_format(key, text);
    json_t *answer = json_object_get(s->run->made, text);
    if (answer == NULL) {
        s->run->known += items;
        return;
    }
    s->run->distinct += pl_pool_read_size(answer, "distinct");
    s->run->tokens += pl_pool_read_size(answer, "tokens");
    json_object_del(s->run->made, text);
}
