/* Of tasks: a model, the requests that wait for it, and their scores in the store or in the plan of
 * a pool. */
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/measured.h"
#include "core/study/tasks_parts.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>
#include <string.h>

static const char KIND[] = "tasks";

size_t pl_task_items(const pl_task_run *run)
{
    const size_t all = json_array_size(run->set->items);
    return run->limit > 0 && run->limit < all ? run->limit : all;
}

static pl_status hash_scorer(pl_scorer *s, pl_error *err)
{
    const pl_state *state = s->run->cx.state;
    pl_hasher *hasher = NULL;
    pl_status status =
        pl_measured_begin("planish tasks 1", s->model, &hasher, s->run->cx.task, err);
    if (status != PL_OK) {
        return status;
    }
    /* BLAS cuts products by the number of threads, and sums differ at the cuts: with 3 or 4 threads
     * the last bits of scores are not those of 1 (with 2 they were). */
    pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
    if (s->used != NULL) {
        if (pl_state_quantizes(state)) {
            pl_quantized_hash(state, hasher);
        }
        for (size_t i = 0; i < pl_model_layer_count(s->model); i++) {
            const pl_id *result = pl_state_result(state, i);
            if (result != NULL) {
                pl_hasher_u64(hasher, (uint64_t)i);
                pl_hasher_id(hasher, *result);
            }
        }
    }
    s->common = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

pl_status pl_scorer_begin(pl_scorer *s, pl_error *err)
{
    pl_task_run *r = s->run;
    pl_status status = pl_model_need_tokenizer(s->model, &s->tokenizer, err);
    PL_THEN(pl_quantized_init(&s->quantized, r->cx, r->which, &s->hooks, err));
    s->used = r->which == PL_WHICH_BEFORE ? NULL : &s->hooks;
    return status == PL_OK ? hash_scorer(s, err) : status;
}

void pl_scorer_end(pl_scorer *s)
{
    pl_scorer_drop(s);
    pl_decoder_destroy(s->decoder);
    pl_quantized_deinit(&s->quantized);
    free(s->pending);
    free(s->read);
    free(s->logits);
}

/* --- requests --------------------------------------------------------------------------------- */

pl_status pl_scorer_encode(const pl_scorer *s, const char *text, size_t size, pl_encoded *out,
                           pl_error *err)
{
    const pl_frame *frame = pl_tokenizer_frame(s->tokenizer);
    int32_t *ids = NULL;
    size_t count = 0;
    pl_status status =
        pl_tokenizer_encode(s->tokenizer, text, size, pl_lab_memory_limit(s->run->cx.lab), &ids,
                            &count, s->run->cx.task, err);
    if (status != PL_OK) {
        return status;
    }
    out->count = frame->n_front + count;
    out->ids = pl_alloc(out->count + 1, sizeof *out->ids);
    if (out->ids == NULL) {
        free(ids);
        return pl_error_memory(err, "a prompt");
    }
    memcpy(out->ids, frame->front, frame->n_front * sizeof *out->ids);
    memcpy(out->ids + frame->n_front, ids, count * sizeof *out->ids);
    free(ids);
    return PL_OK;
}

void pl_encoded_truncate(pl_encoded *e, size_t most)
{
    if (e->count > most) {
        const size_t gone = e->count - most;
        memmove(e->ids, e->ids + gone, most * sizeof *e->ids);
        e->count = most;
        e->context = e->context > gone ? e->context - gone : 0;
    }
}

void pl_scorer_drop(pl_scorer *s)
{
    for (size_t i = 0; i < s->n_pending; i++) {
        free(s->pending[i].ids);
    }
    s->n_pending = 0;
    s->pending_tokens = 0;
}

pl_status pl_scorer_push(pl_scorer *s, pl_encoded *e, pl_error *err)
{
    if (s->n_pending == s->room_pending) {
        const size_t room = 2 * s->room_pending + 64;
        pl_encoded *more = realloc(s->pending, room * sizeof *more);
        if (more == NULL) {
            return pl_error_memory(err, "requests");
        }
        s->pending = more;
        s->room_pending = room;
    }
    s->pending[s->n_pending++] = *e;
    e->ids = NULL;
    return PL_OK;
}

json_t *pl_scorer_sample(const pl_scorer *s, size_t item)
{
    const json_t *of = json_array_get(s->run->set->items, item);
    json_t *sample = json_object(), *gold = json_object_get(of, "gold");
    pl_json_set(sample, "task", json_incref(json_object_get(of, "task")));
    pl_json_set(sample, "doc_id", json_integer((json_int_t)item));
    pl_json_set(sample, "doc", json_incref(json_array_get(s->run->set->docs, item)));
    pl_json_set(sample, "target", json_incref(gold != NULL ? gold : json_object_get(of, "golds")));
    return sample;
}

/* --- the store -------------------------------------------------------------------------------- */

pl_status pl_scorer_key(const pl_scorer *s, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status != PL_OK) {
        return status;
    }
    pl_hasher_id(hasher, s->common);
    for (size_t i = 0; i < s->n_pending; i++) {
        const pl_encoded *e = &s->pending[i];
        pl_hasher_u64(hasher, (uint64_t)e->context);
        pl_hasher_u64(hasher, (uint64_t)e->count);
        pl_hasher_bytes(hasher, e->ids, e->count * sizeof *e->ids);
    }
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

bool pl_scorer_recall(const pl_scorer *s, pl_id key, void *out, size_t bytes)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(s->run->cx.lab), KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, "scores", out, bytes, NULL));
    pl_entry_close(entry);
    return status == PL_OK;
}

pl_status pl_scorer_keep(const pl_scorer *s, pl_id key, const void *data, size_t bytes,
                         pl_error *err)
{
    const pl_section section = {"scores", data, bytes};
    json_t *about = json_pack("{s:s, s:s, s:s}", "holds", "scores of a task's items", "task",
                              s->run->set->kind->name, "version", PL_VERSION);
    pl_status status = about != NULL ? pl_store_replace(pl_lab_store(s->run->cx.lab), KIND, key,
                                                        about, &section, 1, err)
                                     : pl_error_memory(err, "scores");
    json_decref(about);
    return status;
}

/* --- a pool's plan ---------------------------------------------------------------------------- */

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

pl_status pl_scorer_take_requests(pl_scorer *s, const char *bytes, size_t size, pl_error *err)
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
    if (pl_store_has(pl_lab_store(s->run->cx.lab), KIND, key) || is_planned(s->plan, text)) {
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
