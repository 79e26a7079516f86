#include "core/study/tasks.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/tasks_parts.h"

#include <math.h>
#include <string.h>

enum { TOGETHER = 8192 }; /* tokens that are scored, and kept, together */

/* Context and continuation are encoded as one text; the context's share is what it gives alone, and
 * its trailing blanks belong to the continuation. */
static pl_status encode_pair(const pl_scorer *s, size_t item, const char *context,
                             const char *choice, pl_encoded *out, pl_error *err)
{
    const size_t longest = pl_model_config(s->model)->max_positions;
    pl_encoded alone = {0};
    pl_buf whole = {0};
    pl_buf_printf(&whole, "%s %s", context, choice);
    pl_status status = pl_buf_check(&whole, err);
    PL_THEN(pl_scorer_encode(s, context, pl_python_rstripped(context), &alone, err));
    PL_THEN(pl_scorer_encode(s, whole.data, whole.size, out, err));
    pl_buf_deinit(&whole);
    free(alone.ids);
    if (status != PL_OK) {
        return status;
    }
    out->context = alone.count;
    pl_encoded_truncate(out, longest + 1);
    return out->context > 0 && out->context < out->count
               ? PL_OK
               : pl_error_set(err, PL_ERR_FORMAT,
                              "%s, item %zu: the choice \"%s\" has no token of its own, or is "
                              "longer than the model's %zu positions",
                              s->run->set->kind->name, item + 1, choice, longest);
}

/* The choice with the largest sum, of equal ones the first; sums are divided by the choices'
 * lengths where these are given.  kept: each choice's sum, and whether it is greedy. */
static size_t choose_largest(const double *kept, const json_t *choices, bool by_length)
{
    size_t best = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const char *text = json_string_value(json_array_get(choices, i));
        const double value = kept[2 * i] / (by_length ? (double)pl_python_length(text) : 1.0);
        if (value > most) {
            most = value;
            best = i;
        }
    }
    return best;
}

static void finish_choices(pl_scorer *s, size_t item, const double *kept)
{
    const json_t *of = json_array_get(s->run->set->items, item);
    const json_t *choices = json_object_get(of, "choices");
    const size_t gold = (size_t)json_integer_value(json_object_get(of, "gold"));
    json_t *sample = json_array_get(s->samples, item), *resps = json_array();
    for (size_t i = 0; i < json_array_size(choices); i++) {
        pl_json_append(resps,
                       json_pack("[o, b]", pl_json_number(kept[2 * i]), kept[2 * i + 1] > 0.0));
    }
    const size_t answer = choose_largest(kept, choices, false);
    pl_json_set(sample, "filtered_resps", json_incref(resps));
    pl_json_set(sample, "resps", resps);
    pl_json_set(sample, "answer", json_integer((json_int_t)answer));
    pl_json_set(sample, "acc", json_real(answer == gold ? 1.0 : 0.0));
    if (s->run->set->kind->normed) {
        const size_t normed = choose_largest(kept, choices, true);
        pl_json_set(sample, "answer_norm", json_integer((json_int_t)normed));
        pl_json_set(sample, "acc_norm", json_real(normed == gold ? 1.0 : 0.0));
    }
}

static void tell_items(void *ctx, double share)
{
    const pl_scorer *s = ctx;
    const double items = (double)(json_array_size(s->samples) - s->first_item);
    pl_task_progress(s->run->cx.task, "items", s->run->done + share * items, s->run->total);
}

static pl_status compute_pending(pl_scorer *s, pl_error *err)
{
    size_t distinct = 0;
    pl_request *requests = pl_alloc(s->n_pending, sizeof *requests);
    if (requests == NULL) {
        return pl_error_memory(err, "requests");
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        const pl_encoded *e = &s->pending[i];
        requests[i] = (pl_request){.ids = e->ids, .count = e->count, .context = e->context};
        s->run->tokens += e->count - 1;
    }
    pl_status status = pl_likelihoods(s->model, requests, s->n_pending, s->used, tell_items, s,
                                      s->found, &distinct, s->run->cx.task, err);
    s->run->distinct += distinct;
    free(requests);
    return status;
}

pl_status pl_scorer_score(pl_scorer *s, pl_id key, double *kept, bool *known, pl_error *err)
{
    const size_t bytes = 2 * s->n_pending * sizeof *kept;
    *known = pl_scorer_recall(s, key, kept, bytes);
    for (size_t i = 0; *known && i < 2 * s->n_pending; i++) {
        *known = isfinite(kept[i]);
    }
    if (*known) {
        return PL_OK;
    }
    s->found = pl_alloc(s->n_pending, sizeof *s->found);
    pl_status status = s->found != NULL ? compute_pending(s, err) : pl_error_memory(err, "scores");
    for (size_t i = 0; status == PL_OK && i < s->n_pending; i++) {
        kept[2 * i] = s->found[i].sum;
        kept[2 * i + 1] = s->found[i].greedy ? 1.0 : 0.0;
    }
    free(s->found);
    s->found = NULL;
    return status == PL_OK ? pl_scorer_keep(s, key, kept, bytes, err) : status;
}

static pl_status finish_pending(pl_scorer *s, pl_id key, double *kept, pl_error *err)
{
    const size_t last = json_array_size(s->samples);
    size_t at = 0;
    bool known = false;
    pl_status status = pl_scorer_score(s, key, kept, &known, err);
    for (size_t i = s->first_item; status == PL_OK && i < last; i++) {
        finish_choices(s, i, kept + 2 * at);
        at += json_array_size(json_object_get(json_array_get(s->run->set->items, i), "choices"));
    }
    if (known) {
        pl_scorer_count_known(s, key, last - s->first_item);
    }
    s->run->done += status == PL_OK ? (double)(last - s->first_item) : 0.0;
    return status;
}

/* Scores what waits, or plans it: all requests of the items from first_item on. */
static pl_status flush_choices(pl_scorer *s, pl_error *err)
{
    pl_id key = {0};
    if (s->n_pending == 0) {
        return PL_OK;
    }
    double *kept = pl_alloc(2 * s->n_pending, sizeof *kept);
    pl_status status = kept != NULL ? PL_OK : pl_error_memory(err, "scores");
    PL_THEN(pl_scorer_key(s, &key, err));
    PL_THEN(s->plan != NULL ? pl_scorer_plan(s, key, false, err)
                            : finish_pending(s, key, kept, err));
    s->first_item = json_array_size(s->samples);
    free(kept);
    pl_scorer_drop(s);
    return status;
}

static pl_status add_choices(pl_scorer *s, size_t item, size_t room, pl_error *err)
{
    const json_t *of = json_array_get(s->run->set->items, item);
    const json_t *contexts = json_object_get(of, "contexts");
    const json_t *choices = json_object_get(of, "choices");
    json_t *sample = pl_scorer_sample(s, item), *arguments = json_array();
    pl_buf before = {0};
    const size_t first = s->n_pending, started = s->pending_tokens;
    pl_status status = pl_examples_put(&s->examples, item, &before, err);
    for (size_t i = 0; status == PL_OK && i < json_array_size(choices); i++) {
        const char *choice = json_string_value(json_array_get(choices, i));
        pl_encoded e = {0};
        pl_buf context = {0};
        pl_buf_printf(&context, "%s%s", before.data != NULL ? before.data : "",
                      contexts != NULL ? json_string_value(json_array_get(contexts, i))
                                       : pl_task_text(of, "text"));
        status = pl_buf_check(&context, err);
        PL_THEN(encode_pair(s, item, context.data, choice, &e, err));
        if (status == PL_OK) {
            const pl_request now = {.ids = e.ids, .count = e.count, .context = e.context};
            const pl_encoded *last = s->n_pending > 0 ? &s->pending[s->n_pending - 1] : NULL;
            const pl_request then = last != NULL
                                        ? (pl_request){.ids = last->ids, .count = last->count}
                                        : (pl_request){0};
            s->pending_tokens += pl_request_adds(&now, last != NULL ? &then : NULL);
        }
        if (status == PL_OK && s->run->arguments) {
            pl_json_append(arguments,
                           json_pack("[s, o]", context.data, json_sprintf(" %s", choice)));
        }
        PL_THEN(pl_scorer_push(s, &e, err));
        free(e.ids);
        pl_buf_deinit(&context);
    }
    pl_buf_deinit(&before);
    if (s->run->arguments) {
        pl_json_set(sample, "arguments", json_incref(arguments));
    }
    json_decref(arguments);
    if (status == PL_OK && first > 0 && s->pending_tokens > room) {
        /* Its own requests begin the next ones. */
        const size_t own = s->n_pending - first;
        pl_encoded *mine = pl_alloc(own, sizeof *mine);
        if (mine == NULL) {
            status = pl_error_memory(err, "requests");
        } else {
            memcpy(mine, s->pending + first, own * sizeof *mine);
            s->n_pending = first;
            const size_t tokens = s->pending_tokens - started;
            status = flush_choices(s, err);
            for (size_t i = 0; i < own; i++) {
                PL_THEN(pl_scorer_push(s, &mine[i], err));
                free(mine[i].ids);
            }
            s->pending_tokens = tokens;
        }
        free(mine);
    }
    pl_json_append(s->samples, sample);
    return status;
}

static pl_status score_choices(pl_scorer *s, pl_error *err)
{
    const size_t limit = pl_lab_memory_limit(s->run->cx.lab);
    const size_t fits = pl_likelihood_room(s->model, limit);
    const size_t room = fits < TOGETHER ? fits : TOGETHER;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_task_items(s->run); i++) {
        status = add_choices(s, i, room, err);
        if (status == PL_OK && s->pending_tokens > fits) {
            status = pl_error_set(err, PL_ERR_MEMORY,
                                  "%s, item %zu: its %zu tokens need %.0f MB beside a block's "
                                  "weights, the memory limit is %.0f MB",
                                  s->run->set->kind->name, i + 1, s->pending_tokens,
                                  pl_likelihood_need(s->model, s->pending_tokens) / 1e6,
                                  (double)limit / 1e6);
        }
    }
    PL_THEN(flush_choices(s, err));
    return status;
}

/* ---------------------------------------------------------------------------------------------- */

/* Of all items; samples are s->samples. */
static pl_status score_set(pl_scorer *s, pl_error *err)
{
    pl_task_run *r = s->run;
    const bool writes = json_object_get(json_array_get(r->set->items, 0), "choices") == NULL;
    s->samples = json_array();
    pl_status status = pl_examples_init(&s->examples, r->set, r->pool, r->shots, err);
    PL_THEN(pl_scorer_begin(s, err));
    PL_THEN(writes ? pl_scorer_write(s, err) : score_choices(s, err));
    pl_scorer_end(s);
    pl_examples_deinit(&s->examples);
    return status;
}

pl_status pl_task_plan(pl_task_run *run, json_t *plan, pl_error *err)
{
    pl_scorer s = {.run = run, .model = run->cx.state->source->model, .plan = plan};
    const unsigned failures = pl_memory_failures();
    pl_status status = score_set(&s, err);
    PL_THEN(pl_memory_check(failures, err));
    json_decref(s.samples);
    return status;
}

pl_status pl_task_score(pl_task_run *run, json_t **samples, pl_error *err)
{
    pl_scorer s = {.run = run, .model = run->cx.state->source->model};
    const unsigned failures = pl_memory_failures();
    *samples = NULL;
    pl_status status = score_set(&s, err);
    PL_THEN(pl_memory_check(failures, err));
    if (status == PL_ERR_CANCELLED) { /* of what was in work nothing is kept */
        pl_task_progress(run->cx.task, "items", run->done, run->total);
    }
    if (status != PL_OK) {
        json_decref(s.samples);
        return status;
    }
    *samples = s.samples;
    return PL_OK;
}
