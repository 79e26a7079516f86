#include "core/study/tasks.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/lab/quantized.h"
#include "core/metrics/likelihood.h"
#include "core/model/decode.h"
#include "core/study/measured.h"
#include "core/study/task_examples.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char KIND[] = "tasks";

enum {
    TOGETHER = 8192,   /* tokens that are scored, and kept, together */
    WRITTEN = 16,      /* answers that are kept together */
    MOST_WRITTEN = 256 /* tokens of an answer: max_gen_toks */
};

/* A prompt and a continuation as tokens; of a prompt alone context is count. */
typedef struct encoded {
    int32_t *ids;
    size_t count, context;
} encoded;

typedef struct scorer {
    pl_task_run *run;
    pl_model *model;
    const pl_tokenizer *tokenizer;
    pl_quantized quantized;
    pl_hooks hooks;
    const pl_hooks *used; /* NULL: the original */
    pl_id common;         /* hash of what the model is */
    pl_examples examples;
    encoded *pending; /* [n_pending] requests that wait, of items from first_item on */
    size_t n_pending, room_pending, pending_tokens, first_item;
    pl_likelihood *found; /* [n_pending] */
    pl_decoder *decoder;
    int32_t *read; /* [positions] what the decoder has read */
    size_t positions;
    float *logits;
    json_t *samples;
} scorer;

static size_t item_count(const pl_task_run *run)
{
    const size_t all = json_array_size(run->set->items);
    return run->limit > 0 && run->limit < all ? run->limit : all;
}

/* --- tokens ----------------------------------------------------------------------------------- */

/* With the special tokens that the tokenizer puts before a text. */
static pl_status encode_text(const scorer *s, const char *text, size_t size, encoded *out,
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

/* Keeps the last `most` tokens. */
static void truncate_left(encoded *e, size_t most)
{
    if (e->count > most) {
        const size_t gone = e->count - most;
        memmove(e->ids, e->ids + gone, most * sizeof *e->ids);
        e->count = most;
        e->context = e->context > gone ? e->context - gone : 0;
    }
}

/* Context and continuation are encoded as one; what the context alone gives is its share, its
 * trailing blanks belong to the continuation. */
static pl_status encode_pair(const scorer *s, size_t item, const char *context, const char *choice,
                             encoded *out, pl_error *err)
{
    const size_t longest = pl_model_config(s->model)->max_positions;
    encoded alone = {0};
    pl_buf whole = {0};
    pl_buf_printf(&whole, "%s %s", context, choice);
    pl_status status = pl_buf_check(&whole, err);
    PL_THEN(encode_text(s, context, pl_python_rstripped(context), &alone, err));
    PL_THEN(encode_text(s, whole.data, whole.size, out, err));
    pl_buf_deinit(&whole);
    free(alone.ids);
    if (status != PL_OK) {
        return status;
    }
    out->context = alone.count;
    truncate_left(out, longest + 1);
    return out->context > 0 && out->context < out->count
               ? PL_OK
               : pl_error_set(err, PL_ERR_FORMAT,
                              "%s, item %zu: the choice \"%s\" has no token of its own, or is "
                              "longer than the model's %zu positions",
                              s->run->set->kind->name, item + 1, choice, longest);
}

/* --- the store -------------------------------------------------------------------------------- */

static pl_status hash_common(scorer *s, pl_error *err)
{
    const pl_state *state = s->run->cx.state;
    pl_hasher *hasher = NULL;
    pl_status status =
        pl_measured_begin("planish tasks 1", s->model, &hasher, s->run->cx.task, err);
    if (status != PL_OK) {
        return status;
    }
    /* BLAS cuts its products by the threads, and sums differ at the cuts: scores of 3 or 4 threads
     * are not those of 1 to the last bit (those of 2 were). */
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

static pl_status pending_key(const scorer *s, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status != PL_OK) {
        return status;
    }
    pl_hasher_id(hasher, s->common);
    for (size_t i = 0; i < s->n_pending; i++) {
        const encoded *e = &s->pending[i];
        pl_hasher_u64(hasher, (uint64_t)e->context);
        pl_hasher_u64(hasher, (uint64_t)e->count);
        pl_hasher_bytes(hasher, e->ids, e->count * sizeof *e->ids);
    }
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

static bool read_kept(const scorer *s, pl_id key, void *out, size_t bytes)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(s->run->cx.lab), KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, "scores", out, bytes, NULL));
    pl_entry_close(entry);
    return status == PL_OK;
}

static pl_status keep_scores(const scorer *s, pl_id key, const void *data, size_t bytes,
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

/* --- samples ---------------------------------------------------------------------------------- */

static void drop_pending(scorer *s)
{
    for (size_t i = 0; i < s->n_pending; i++) {
        free(s->pending[i].ids);
    }
    s->n_pending = 0;
    s->pending_tokens = 0;
}

static pl_status push_pending(scorer *s, encoded *e, pl_error *err)
{
    if (s->n_pending == s->room_pending) {
        const size_t room = 2 * s->room_pending + 64;
        encoded *more = realloc(s->pending, room * sizeof *more);
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

static json_t *new_sample(const scorer *s, size_t item)
{
    const json_t *of = json_array_get(s->run->set->items, item);
    json_t *sample = json_object(), *gold = json_object_get(of, "gold");
    pl_json_set(sample, "task", json_incref(json_object_get(of, "task")));
    pl_json_set(sample, "doc_id", json_integer((json_int_t)item));
    pl_json_set(sample, "doc", json_incref(json_array_get(s->run->set->docs, item)));
    pl_json_set(sample, "target", json_incref(gold != NULL ? gold : json_object_get(of, "golds")));
    return sample;
}

/* The first of the largest sums, each over the length of its choice where lengths are given. */
static size_t choose(const pl_likelihood *found, const json_t *choices, bool by_length)
{
    size_t best = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const char *text = json_string_value(json_array_get(choices, i));
        const double value = found[i].sum / (by_length ? (double)pl_python_length(text) : 1.0);
        if (value > most) {
            most = value;
            best = i;
        }
    }
    return best;
}

static void finish_choices(scorer *s, size_t item, const pl_likelihood *found)
{
    const json_t *of = json_array_get(s->run->set->items, item);
    const json_t *choices = json_object_get(of, "choices");
    const size_t gold = (size_t)json_integer_value(json_object_get(of, "gold"));
    json_t *sample = json_array_get(s->samples, item), *resps = json_array();
    for (size_t i = 0; i < json_array_size(choices); i++) {
        pl_json_append(resps, json_pack("[o, b]", pl_json_number(found[i].sum), found[i].greedy));
    }
    const size_t answer = choose(found, choices, false);
    pl_json_set(sample, "filtered_resps", json_incref(resps));
    pl_json_set(sample, "resps", resps);
    pl_json_set(sample, "answer", json_integer((json_int_t)answer));
    pl_json_set(sample, "acc", json_real(answer == gold ? 1.0 : 0.0));
    if (s->run->set->kind->normed) {
        const size_t normed = choose(found, choices, true);
        pl_json_set(sample, "answer_norm", json_integer((json_int_t)normed));
        pl_json_set(sample, "acc_norm", json_real(normed == gold ? 1.0 : 0.0));
    }
}

static void tell_items(void *ctx, double share)
{
    const scorer *s = ctx;
    const double items = (double)(json_array_size(s->samples) - s->first_item);
    pl_task_progress(s->run->cx.task, "items", s->run->done + share * items, s->run->total);
}

/* --- choices ---------------------------------------------------------------------------------- */

static pl_status compute_pending(scorer *s, pl_error *err)
{
    size_t distinct = 0;
    pl_request *requests = pl_alloc(s->n_pending, sizeof *requests);
    if (requests == NULL) {
        return pl_error_memory(err, "requests");
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        const encoded *e = &s->pending[i];
        requests[i] = (pl_request){.ids = e->ids, .count = e->count, .context = e->context};
        s->run->tokens += e->count - 1;
    }
    pl_status status = pl_likelihoods(s->model, requests, s->n_pending, s->used, tell_items, s,
                                      s->found, &distinct, s->run->cx.task, err);
    s->run->distinct += distinct;
    free(requests);
    return status;
}

/* Scores what waits: all requests of the items from first_item on. */
static pl_status flush_choices(scorer *s, pl_error *err)
{
    const size_t last = json_array_size(s->samples), bytes = 2 * s->n_pending * sizeof(double);
    pl_id key = {0};
    if (s->n_pending == 0) {
        return PL_OK;
    }
    double *kept = pl_alloc(2 * s->n_pending, sizeof *kept);
    s->found = pl_alloc(s->n_pending, sizeof *s->found);
    pl_status status = kept != NULL && s->found != NULL ? PL_OK : pl_error_memory(err, "scores");
    PL_THEN(pending_key(s, &key, err));
    bool known = status == PL_OK && read_kept(s, key, kept, bytes);
    for (size_t i = 0; known && i < 2 * s->n_pending; i++) {
        known = isfinite(kept[i]);
    }
    if (status == PL_OK && !known) {
        status = compute_pending(s, err);
        for (size_t i = 0; status == PL_OK && i < s->n_pending; i++) {
            kept[2 * i] = s->found[i].sum;
            kept[2 * i + 1] = s->found[i].greedy ? 1.0 : 0.0;
        }
        PL_THEN(keep_scores(s, key, kept, bytes, err));
    }
    size_t at = 0;
    for (size_t i = 0; known && i < s->n_pending; i++) {
        s->found[i] = (pl_likelihood){.sum = kept[2 * i], .greedy = kept[2 * i + 1] > 0.0};
    }
    for (size_t i = s->first_item; status == PL_OK && i < last; i++) {
        finish_choices(s, i, s->found + at);
        at += json_array_size(json_object_get(json_array_get(s->run->set->items, i), "choices"));
    }
    s->run->known += known ? last - s->first_item : 0;
    s->run->done += status == PL_OK ? (double)(last - s->first_item) : 0.0;
    s->first_item = last;
    free(kept);
    free(s->found);
    s->found = NULL;
    drop_pending(s);
    return status;
}

static pl_status add_choices(scorer *s, size_t item, size_t room, pl_error *err)
{
    const json_t *of = json_array_get(s->run->set->items, item);
    const json_t *contexts = json_object_get(of, "contexts");
    const json_t *choices = json_object_get(of, "choices");
    json_t *sample = new_sample(s, item), *arguments = json_array();
    pl_buf before = {0};
    const size_t first = s->n_pending, started = s->pending_tokens;
    pl_status status = pl_examples_put(&s->examples, item, &before, err);
    for (size_t i = 0; status == PL_OK && i < json_array_size(choices); i++) {
        const char *choice = json_string_value(json_array_get(choices, i));
        encoded e = {0};
        pl_buf context = {0};
        pl_buf_printf(&context, "%s%s", before.data != NULL ? before.data : "",
                      contexts != NULL ? json_string_value(json_array_get(contexts, i))
                                       : pl_task_text(of, "text"));
        status = pl_buf_check(&context, err);
        PL_THEN(encode_pair(s, item, context.data, choice, &e, err));
        if (status == PL_OK) {
            const pl_request now = {.ids = e.ids, .count = e.count, .context = e.context};
            const encoded *last = s->n_pending > 0 ? &s->pending[s->n_pending - 1] : NULL;
            const pl_request then = last != NULL
                                        ? (pl_request){.ids = last->ids, .count = last->count}
                                        : (pl_request){0};
            s->pending_tokens += pl_request_adds(&now, last != NULL ? &then : NULL);
        }
        if (status == PL_OK && s->run->arguments) {
            pl_json_append(arguments,
                           json_pack("[s, o]", context.data, json_sprintf(" %s", choice)));
        }
        PL_THEN(push_pending(s, &e, err));
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
        encoded *mine = pl_alloc(own, sizeof *mine);
        if (mine == NULL) {
            status = pl_error_memory(err, "requests");
        } else {
            memcpy(mine, s->pending + first, own * sizeof *mine);
            s->n_pending = first;
            const size_t tokens = s->pending_tokens - started;
            status = flush_choices(s, err);
            for (size_t i = 0; i < own; i++) {
                PL_THEN(push_pending(s, &mine[i], err));
                free(mine[i].ids);
            }
            s->pending_tokens = tokens;
        }
        free(mine);
    }
    pl_json_append(s->samples, sample);
    return status;
}

static pl_status score_choices(scorer *s, pl_error *err)
{
    const size_t limit = pl_lab_memory_limit(s->run->cx.lab);
    const size_t fits = pl_likelihood_room(s->model, limit);
    const size_t room = fits < TOGETHER ? fits : TOGETHER;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < item_count(s->run); i++) {
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

/* --- written answers -------------------------------------------------------------------------- */

static const char *const stops[] = {"\n", ".", ","};

/* Bytes before the first stop of all; SIZE_MAX: none is there. */
static size_t find_stop(const char *text)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        const char *hit = strstr(text, stops[i]);
        if (hit != NULL && (size_t)(hit - text) < least) {
            least = (size_t)(hit - text);
        }
    }
    return least;
}

/* A decoder for all prompts of the file, once one of them is not in the store. */
static pl_status need_decoder(scorer *s, pl_error *err)
{
    if (s->decoder != NULL) {
        return PL_OK;
    }
    s->read = pl_alloc(s->positions, sizeof *s->read);
    s->logits = pl_alloc(pl_model_config(s->model)->vocab_size, sizeof *s->logits);
    return s->read == NULL || s->logits == NULL
               ? pl_error_memory(err, "answers")
               : pl_decoder_create(s->model, s->positions, s->used,
                                   pl_lab_memory_limit(s->run->cx.lab), &s->decoder, NULL, err);
}

/* Reads the prompt behind what it shares with the one before, but for its last token. */
static pl_status read_prompt(scorer *s, const encoded *prompt, pl_error *err)
{
    size_t shared = 0;
    while (shared + 1 < prompt->count && shared < pl_decoder_length(s->decoder) &&
           s->read[shared] == prompt->ids[shared]) {
        shared++;
    }
    pl_decoder_rewind(s->decoder, shared);
    memcpy(s->read + shared, prompt->ids + shared, (prompt->count - shared) * sizeof *s->read);
    s->run->distinct += prompt->count - shared;
    return pl_decoder_read(s->decoder, prompt->ids + shared, prompt->count - shared, s->logits,
                           s->run->cx.task, err);
}

static pl_status likeliest_token(const scorer *s, int32_t *out, pl_error *err)
{
    const size_t vocab = pl_model_config(s->model)->vocab_size;
    size_t best = 0;
    for (size_t i = 0; i < vocab; i++) {
        if (!isfinite(s->logits[i])) {
            return pl_error_set(err, PL_ERR_NUMERIC, "the model's logits are not finite");
        }
        best = s->logits[i] > s->logits[best] ? i : best;
    }
    *out = (int32_t)best;
    return PL_OK;
}

/* ids[MOST_WRITTEN + 1]: how many tokens, then those. */
static pl_status write_answer(scorer *s, const encoded *prompt, int32_t *ids, pl_error *err)
{
    pl_buf text = {0};
    bool ended = false;
    ids[0] = 0;
    pl_status status = need_decoder(s, err);
    PL_THEN(read_prompt(s, prompt, err));
    while (status == PL_OK && !ended) {
        int32_t next = 0;
        status = likeliest_token(s, &next, err);
        ended = status != PL_OK || next == pl_model_config(s->model)->eos_id;
        if (ended) {
            break;
        }
        ids[++ids[0]] = next;
        pl_tokenizer_decode(s->tokenizer, next, &text);
        ended = ids[0] == MOST_WRITTEN || (text.data != NULL && find_stop(text.data) != SIZE_MAX);
        if (!ended) {
            s->read[pl_decoder_length(s->decoder)] = next;
            s->run->distinct++;
            status = pl_decoder_read(s->decoder, &next, 1, s->logits, s->run->cx.task, err);
        }
    }
    PL_THEN(pl_buf_check(&text, err));
    pl_buf_deinit(&text);
    return status;
}

/* The text of the tokens, up to the first stop; bytes that are no UTF-8 are escaped. */
static pl_status finish_answer(scorer *s, size_t item, const int32_t *ids, pl_error *err)
{
    const json_t *golds = json_object_get(json_array_get(s->run->set->items, item), "golds");
    json_t *sample = json_array_get(s->samples, item);
    const char *words = s->run->set->kind->regex_words;
    pl_buf raw = {0}, plain = {0}, form = {0};
    char safe[MOST_WRITTEN * 16];
    for (int32_t i = 1; i <= ids[0]; i++) {
        pl_tokenizer_decode(s->tokenizer, ids[i], &raw);
    }
    const char *text = raw.data != NULL ? raw.data : "";
    const size_t stop = find_stop(text);
    pl_text_escape(text, stop != SIZE_MAX ? stop : strlen(text), safe, sizeof safe);
    pl_python_strip(safe, &plain);
    const char *answer = plain.data != NULL ? plain.data : "";
    pl_exact_form(answer, words, &form);
    bool right = false;
    for (size_t i = 0; i < json_array_size(golds); i++) {
        pl_buf gold = {0};
        pl_exact_form(json_string_value(json_array_get(golds, i)), words, &gold);
        right = right ||
                strcmp(gold.data != NULL ? gold.data : "", form.data != NULL ? form.data : "") == 0;
        form.failed = form.failed || gold.failed;
        pl_buf_deinit(&gold);
    }
    pl_json_set(sample, "resps", json_pack("[s]", safe));
    pl_json_set(sample, "filtered_resps", json_pack("[s]", answer));
    pl_json_set(sample, "answer", json_string(answer));
    pl_json_set(sample, "exact_match", json_real(right ? 1.0 : 0.0));
    form.failed = form.failed || raw.failed || plain.failed;
    pl_status status = pl_buf_check(&form, err);
    pl_buf_deinit(&raw);
    pl_buf_deinit(&plain);
    pl_buf_deinit(&form);
    return status;
}

static pl_status encode_prompts(scorer *s, pl_error *err)
{
    const size_t longest = pl_model_config(s->model)->max_positions;
    pl_status status = PL_OK;
    if (longest <= MOST_WRITTEN) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: the model has %zu positions, expected more than the %d tokens of "
                            "an answer",
                            s->run->set->kind->name, longest, MOST_WRITTEN);
    }
    for (size_t i = 0; status == PL_OK && i < item_count(s->run); i++) {
        encoded e = {0};
        pl_buf prompt = {0};
        json_t *sample = new_sample(s, i);
        status = pl_examples_put(&s->examples, i, &prompt, err);
        pl_buf_puts(&prompt, pl_task_text(json_array_get(s->run->set->items, i), "text"));
        PL_THEN(pl_buf_check(&prompt, err));
        PL_THEN(encode_text(s, prompt.data, prompt.size, &e, err));
        if (status == PL_OK) {
            e.context = e.count;
            truncate_left(&e, longest - MOST_WRITTEN);
            s->positions =
                e.count + MOST_WRITTEN > s->positions ? e.count + MOST_WRITTEN : s->positions;
        }
        if (status == PL_OK && s->run->arguments) {
            pl_json_set(sample, "arguments", json_pack("[[s]]", prompt.data));
        }
        PL_THEN(push_pending(s, &e, err));
        free(e.ids);
        pl_buf_deinit(&prompt);
        pl_json_append(s->samples, sample);
    }
    return status;
}

/* Some answers, which are kept together. */
static pl_status write_some(scorer *s, size_t first, size_t count, int32_t *ids, pl_error *err)
{
    const size_t wide = MOST_WRITTEN + 1;
    scorer part = *s; /* the key is of these alone */
    pl_id key = {0};
    part.pending += first;
    part.n_pending = count;
    memset(ids, 0, count * wide * sizeof *ids);
    pl_status status = pending_key(&part, &key, err);
    bool known = status == PL_OK && read_kept(s, key, ids, count * wide * sizeof *ids);
    for (size_t i = 0; known && i < count; i++) {
        known = ids[i * wide] >= 0 && ids[i * wide] <= MOST_WRITTEN;
    }
    for (size_t i = 0; status == PL_OK && !known && i < count; i++) {
        status = write_answer(s, &s->pending[first + i], ids + i * wide, err);
        s->run->tokens += s->pending[first + i].count + (size_t)ids[i * wide];
        pl_task_progress(s->run->cx.task, "items", s->run->done + (double)(i + 1), s->run->total);
    }
    if (status == PL_OK && !known) {
        status = keep_scores(s, key, ids, count * wide * sizeof *ids, err);
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = finish_answer(s, first + i, ids + i * wide, err);
    }
    s->run->known += known ? count : 0;
    s->run->done += status == PL_OK ? (double)count : 0.0;
    return status;
}

static pl_status write_answers(scorer *s, pl_error *err)
{
    int32_t *ids = pl_alloc((size_t)WRITTEN * (MOST_WRITTEN + 1), sizeof *ids);
    pl_status status = ids != NULL ? encode_prompts(s, err) : pl_error_memory(err, "answers");
    for (size_t i = 0; status == PL_OK && i < s->n_pending; i += WRITTEN) {
        const size_t count = s->n_pending - i < WRITTEN ? s->n_pending - i : (size_t)WRITTEN;
        status = write_some(s, i, count, ids, err);
    }
    free(ids);
    return status;
}

/* ---------------------------------------------------------------------------------------------- */

static pl_status begin_scorer(scorer *s, pl_error *err)
{
    pl_task_run *r = s->run;
    s->samples = json_array();
    pl_status status = pl_examples_init(&s->examples, r->set, r->pool, r->shots, err);
    PL_THEN(pl_model_need_tokenizer(s->model, &s->tokenizer, err));
    PL_THEN(pl_quantized_init(&s->quantized, r->cx, r->which, &s->hooks, err));
    s->used = r->which == PL_WHICH_BEFORE ? NULL : &s->hooks;
    PL_THEN(hash_common(s, err));
    return status;
}

pl_status pl_task_score(pl_task_run *run, json_t **samples, pl_error *err)
{
    scorer s = {.run = run, .model = run->cx.state->source->model};
    const unsigned failures = pl_memory_failures();
    const bool writes = json_object_get(json_array_get(run->set->items, 0), "choices") == NULL;
    *samples = NULL;
    pl_status status = begin_scorer(&s, err);
    PL_THEN(writes ? write_answers(&s, err) : score_choices(&s, err));
    PL_THEN(pl_memory_check(failures, err));
    if (status == PL_ERR_CANCELLED) { /* of what was in work nothing is kept */
        pl_task_progress(run->cx.task, "items", run->done, run->total);
    }
    drop_pending(&s);
    pl_decoder_destroy(s.decoder);
    pl_quantized_deinit(&s.quantized);
    free(s.pending);
    pl_examples_deinit(&s.examples);
    free(s.read);
    free(s.logits);
    if (status != PL_OK) {
        json_decref(s.samples);
        return status;
    }
    *samples = s.samples;
    return PL_OK;
}
