/* tasks: answers that the model writes. */
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/tasks_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
static pl_status need_decoder(pl_scorer *s, pl_error *err)
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
static pl_status read_prompt(pl_scorer *s, const pl_encoded *prompt, pl_error *err)
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

static pl_status likeliest_token(const pl_scorer *s, int32_t *out, pl_error *err)
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

/* ids[PL_TASK_MOST_WRITTEN + 1]: how many tokens, then those. */
static pl_status write_answer(pl_scorer *s, const pl_encoded *prompt, int32_t *ids, pl_error *err)
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
        ended = ids[0] == PL_TASK_MOST_WRITTEN ||
                (text.data != NULL && find_stop(text.data) != SIZE_MAX);
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
static pl_status finish_answer(pl_scorer *s, size_t item, const int32_t *ids, pl_error *err)
{
    const json_t *golds = json_object_get(json_array_get(s->run->set->items, item), "golds");
    json_t *sample = json_array_get(s->samples, item);
    const char *words = s->run->set->kind->regex_words;
    pl_buf raw = {0}, plain = {0}, form = {0};
    char safe[PL_TASK_MOST_WRITTEN * 16];
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

static pl_status encode_prompts(pl_scorer *s, pl_error *err)
{
    const size_t longest = pl_model_config(s->model)->max_positions;
    pl_status status = PL_OK;
    if (longest <= PL_TASK_MOST_WRITTEN) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: the model has %zu positions, expected more than the %d tokens of "
                            "an answer",
                            s->run->set->kind->name, longest, PL_TASK_MOST_WRITTEN);
    }
    for (size_t i = 0; status == PL_OK && i < pl_task_items(s->run); i++) {
        pl_encoded e = {0};
        pl_buf prompt = {0};
        json_t *sample = pl_scorer_sample(s, i);
        status = pl_examples_put(&s->examples, i, &prompt, err);
        pl_buf_puts(&prompt, pl_task_text(json_array_get(s->run->set->items, i), "text"));
        PL_THEN(pl_buf_check(&prompt, err));
        PL_THEN(pl_scorer_encode(s, prompt.data, prompt.size, &e, err));
        if (status == PL_OK) {
            e.context = e.count;
            pl_encoded_truncate(&e, longest - PL_TASK_MOST_WRITTEN);
            s->positions = e.count + PL_TASK_MOST_WRITTEN > s->positions
                               ? e.count + PL_TASK_MOST_WRITTEN
                               : s->positions;
        }
        if (status == PL_OK && s->run->arguments) {
            pl_json_set(sample, "arguments", json_pack("[[s]]", prompt.data));
        }
        PL_THEN(pl_scorer_push(s, &e, err));
        free(e.ids);
        pl_buf_deinit(&prompt);
        pl_json_append(s->samples, sample);
    }
    return status;
}

pl_status pl_scorer_answer(pl_scorer *s, size_t first, size_t count, pl_id key, int32_t *ids,
                           bool *known, pl_error *err)
{
    const size_t wide = PL_TASK_MOST_WRITTEN + 1, bytes = count * wide * sizeof *ids;
    pl_status status = PL_OK;
    memset(ids, 0, bytes);
    *known = pl_scorer_recall(s, key, ids, bytes);
    for (size_t i = 0; *known && i < count; i++) {
        *known = ids[i * wide] >= 0 && ids[i * wide] <= PL_TASK_MOST_WRITTEN;
    }
    if (*known) {
        return PL_OK;
    }
    if (s->decoder != NULL) { /* what they come to does not depend on those before them */
        pl_decoder_rewind(s->decoder, 0);
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = write_answer(s, &s->pending[first + i], ids + i * wide, err);
        s->run->tokens += s->pending[first + i].count + (size_t)ids[i * wide];
        pl_task_progress(s->run->cx.task, "items", s->run->done + (double)(i + 1), s->run->total);
    }
    return status == PL_OK ? pl_scorer_keep(s, key, ids, bytes, err) : status;
}

/* Some answers, which are kept together. */
static pl_status write_some(pl_scorer *s, size_t first, size_t count, int32_t *ids, pl_error *err)
{
    const size_t wide = PL_TASK_MOST_WRITTEN + 1;
    pl_scorer part = *s; /* the key is of these alone */
    pl_id key = {0};
    bool known = false;
    part.pending += first;
    part.n_pending = count;
    pl_status status = pl_scorer_key(&part, &key, err);
    if (status == PL_OK && s->plan != NULL) {
        return pl_scorer_plan(&part, key, true, err);
    }
    PL_THEN(pl_scorer_answer(s, first, count, key, ids, &known, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = finish_answer(s, first + i, ids + i * wide, err);
    }
    if (known) {
        pl_scorer_count_known(s, key, count);
    }
    s->run->done += status == PL_OK ? (double)count : 0.0;
    return status;
}

pl_status pl_scorer_write(pl_scorer *s, pl_error *err)
{
    int32_t *ids = pl_alloc((size_t)PL_TASK_WRITTEN * (PL_TASK_MOST_WRITTEN + 1), sizeof *ids);
    pl_status status = ids != NULL ? encode_prompts(s, err) : pl_error_memory(err, "answers");
    for (size_t i = 0; status == PL_OK && i < s->n_pending; i += PL_TASK_WRITTEN) {
        const size_t count =
            s->n_pending - i < PL_TASK_WRITTEN ? s->n_pending - i : (size_t)PL_TASK_WRITTEN;
        status = write_some(s, i, count, ids, err);
    }
    free(ids);
    return status;
}
