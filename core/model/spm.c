/* SentencePiece's BPE (Kudo and Richardson 2018; google/sentencepiece, bpe_model.cc): of all
 * neighbours whose joined text is a token, the pair with the best score merges first, the leftmost
 * of equals.  A symbol is the byte offset at which it begins; its text is not copied. */
#include "core/base/checked.h"
#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

enum { NO_TOKEN = -1, DEAD = -2 };

static int by_score(const void *a, const void *b, void *scores)
{
    const float *of = scores;
    const float x = of[*(const int32_t *)a], y = of[*(const int32_t *)b];
    return (x < y) - (x > y);
}

static bool is_metaspace(const char *text, const char *end)
{
    return end - text >= 3 && memcmp(text, PL_METASPACE, 3) == 0;
}

/* Whether U+2581 follows another character in text[size]. */
static bool crosses_words(const char *text, size_t size)
{
    for (size_t i = 1; i + 3 <= size; i++) {
        if (is_metaspace(text + i, text + size) &&
            (i < 3 || !is_metaspace(text + i - 3, text + size))) {
            return true;
        }
    }
    return false;
}

pl_status pl_spm_init(pl_spm *spm, const pl_vocab *vocab, const float *scores, pl_error *err)
{
    const size_t count = vocab->count;
    int32_t *order = pl_alloc(count, sizeof *order);
    spm->rank = pl_alloc(count, sizeof *spm->rank);
    if (order == NULL || spm->rank == NULL) {
        free(order);
        return pl_error_memory(err, "the scores of %zu tokens", count);
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = (int32_t)i;
    }
    qsort_r(order, count, sizeof *order, by_score, (void *)(uintptr_t)scores);
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && !(scores[order[i]] < scores[order[i - 1]]);
        spm->rank[order[i]] = same ? spm->rank[order[i - 1]] : (int32_t)i;
    }
    free(order);
    spm->words = true;
    for (size_t id = 0; id < count; id++) {
        const pl_token *token = &vocab->tokens[id];
        if (!token->present || !token->matchable) {
            continue;
        }
        spm->longest = token->raw_size > spm->longest ? token->raw_size : spm->longest;
        spm->words = spm->words && !crosses_words(vocab->bytes.data + token->raw, token->raw_size);
        spm->has_unused = spm->has_unused || token->unused;
    }
    /* What an unused token falls back into depends on the whole text: see propose. */
    spm->words = spm->words && !spm->has_unused;
    return PL_OK;
}

void pl_spm_deinit(pl_spm *spm)
{
    free(spm->rank);
    *spm = (pl_spm){0};
}

typedef struct run {
    const pl_spm *spm;
    const pl_bpe *bpe;
    const pl_vocab *vocab;
    const char *text; /* of the word at hand */
    size_t size;
    pl_bpe_work *work;
    bool after_unknown; /* the last id is the unknown token, which takes in a whole run */
} run;

static size_t char_length(const char *text, const char *end)
{
    size_t length = pl_text_utf8_length(text, end);
    return length > 0 ? length : 1;
}

/* Proposes the pair that begins at offset `at`.  SentencePiece remembers for each unused token the
 * halves proposed last, anywhere in the text. */
static void propose(run *r, int32_t at)
{
    const pl_symbol *symbols = r->work->symbols;
    if (at < 0 || symbols[at].next < 0) {
        return;
    }
    const int32_t next = symbols[at].next;
    const size_t end = symbols[next].next < 0 ? r->size : (size_t)symbols[next].next;
    const size_t size = end - (size_t)at;
    int32_t id = size > r->spm->longest ? -1 : pl_vocab_find(r->vocab, r->text + at, size);
    if (id < 0) {
        return;
    }
    if (r->vocab->tokens[id].unused) {
        r->work->halves[id] = (uint32_t)(next - at);
    }
    pl_heap_push(r->work, (pl_candidate){r->spm->rank[id], at, id});
}

/* A candidate stands while its left symbol lives and, with the neighbour it has now, is as long. */
static pl_status merge_all(run *r, pl_error *err)
{
    pl_symbol *symbols = r->work->symbols;
    pl_status status = PL_OK;
    while (r->work->heap_size > 0 && status == PL_OK) {
        const pl_candidate top = pl_heap_pop(r->work);
        pl_symbol *symbol = &symbols[top.position];
        status = pl_meter_steps(r->work->meter, 1, err);
        if (symbol->id == DEAD || symbol->next < 0) {
            continue;
        }
        pl_symbol *right = &symbols[symbol->next];
        const size_t end = right->next < 0 ? r->size : (size_t)right->next;
        if (end - (size_t)top.position != r->vocab->tokens[top.id].raw_size) {
            continue;
        }
        symbol->id = top.id;
        symbol->next = right->next;
        right->id = DEAD;
        if (symbol->next >= 0) {
            symbols[symbol->next].prev = top.position;
        }
        propose(r, symbol->prev);
        propose(r, top.position);
    }
    return status;
}

/* A character without a token: its byte tokens, else the unknown token, once for a run of them. */
static pl_status emit_unknown(run *r, const char *text, size_t size, pl_error *err)
{
    const int32_t *fallback = r->bpe->fallback;
    bool bytes = true;
    for (size_t i = 0; i < size; i++) {
        bytes = bytes && fallback[(unsigned char)text[i]] >= 0;
    }
    pl_status status = PL_OK;
    for (size_t i = 0; bytes && i < size && status == PL_OK; i++) {
        status = pl_bpe_emit(r->work, fallback[(unsigned char)text[i]], err);
    }
    if (!bytes && !r->after_unknown && r->bpe->unk >= 0) {
        status = pl_bpe_emit(r->work, r->bpe->unk, err);
    }
    r->after_unknown = !bytes;
    return status;
}

/* Emits a symbol; an unused token as its two halves, recursively.  Right halves wait on the heap,
 * which is empty by now (position: offset, rank: size). */
static pl_status emit(run *r, size_t at, size_t size, pl_error *err)
{
    pl_candidate *stack = r->work->heap;
    size_t depth = 0;
    pl_status status = PL_OK;
    stack[depth++] = (pl_candidate){.position = (int32_t)at, .rank = (int32_t)size};
    while (depth > 0 && status == PL_OK) {
        const pl_candidate part = stack[--depth];
        const char *text = r->text + part.position;
        const size_t length = (size_t)part.rank;
        int32_t id = pl_vocab_find(r->vocab, text, length);
        if (id < 0) {
            status = emit_unknown(r, text, length, err);
        } else if (!r->vocab->tokens[id].unused || char_length(text, text + length) == length) {
            status = pl_bpe_emit(r->work, id, err);
            r->after_unknown = false;
        } else {
            int32_t half = (int32_t)r->work->halves[id];
            stack[depth++] =
                (pl_candidate){.position = part.position + half, .rank = part.rank - half};
            stack[depth++] = (pl_candidate){.position = part.position, .rank = half};
        }
    }
    return status;
}

static pl_status encode_word(run *r, pl_error *err)
{
    pl_status status = pl_bpe_work_reserve(r->work, r->size, err);
    if (status != PL_OK) {
        return status;
    }
    pl_symbol *symbols = r->work->symbols;
    int32_t last = -1;
    for (size_t i = 0; i < r->size;) {
        size_t length = char_length(r->text + i, r->text + r->size);
        symbols[i] = (pl_symbol){NO_TOKEN, last, (int32_t)(i + length)};
        last = (int32_t)i;
        i += length;
    }
    symbols[last].next = -1;
    r->work->heap_size = 0;
    for (int32_t at = 0; at >= 0 && status == PL_OK; at = symbols[at].next) {
        propose(r, at);
        status = pl_meter_steps(r->work->meter, 1, err);
    }
    PL_THEN(merge_all(r, err));
    for (int32_t at = 0; at >= 0 && status == PL_OK; at = symbols[at].next) {
        const size_t end = symbols[at].next < 0 ? r->size : (size_t)symbols[at].next;
        status = emit(r, (size_t)at, end - (size_t)at, err);
    }
    return status;
}

/* End of the word that begins at text: the next U+2581 after another character. */
static size_t word_end(const char *text, size_t size)
{
    const char *end = text + size;
    const char *at = text;
    while (is_metaspace(at, end)) {
        at += 3;
    }
    const char *next = memmem(at, (size_t)(end - at), PL_METASPACE, 3);
    return next != NULL ? (size_t)(next - text) : size;
}

pl_status pl_spm_encode(const pl_spm *spm, const pl_bpe *bpe, const pl_vocab *vocab,
                        const char *text, size_t size, pl_bpe_work *work, pl_error *err)
{
    run r = {.spm = spm, .bpe = bpe, .vocab = vocab, .work = work};
    if (spm->has_unused && work->halves == NULL) {
        work->halves = pl_alloc(vocab->count, sizeof *work->halves);
        if (work->halves == NULL) {
            return pl_error_memory(err, "the tokens of a text of this size");
        }
    }
    pl_status status = PL_OK;
    for (size_t at = 0; at < size && status == PL_OK; at += r.size) {
        r.text = text + at;
        r.size = spm->words ? word_end(text + at, size - at) : size - at;
        status = encode_word(&r, err);
    }
    return status;
}
