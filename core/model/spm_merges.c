/* The merges of a SentencePiece vocabulary as Hugging Face's BPE lists them: every split of every
 * token into two, best score first, then by the ids of the halves (transformers, convert_slow_
 * tokenizer.py, generate_merges). */
#include "core/base/checked.h"
#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

#define CANNOT_SAY ", which a tokenizer.json cannot say"

enum { LONGEST = 1024 }; /* bytes of a token: each split is looked up, and that is quadratic */

typedef struct split {
    int32_t rank, left, right, id;
} split;

typedef struct splits {
    split *items;
    size_t count, capacity;
} splits;

static int by_rank(const void *a, const void *b)
{
    const split *x = a, *y = b;
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    if (x->left != y->left) {
        return x->left < y->left ? -1 : 1;
    }
    return (x->right > y->right) - (x->right < y->right);
}

static pl_status put_split(splits *list, split item, pl_error *err)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity > 0 ? 2 * list->capacity : 1024;
        split *items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL) {
            return pl_error_memory(err, "the merges of a tokenizer");
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return PL_OK;
}

static pl_status cannot(const pl_vocab *vocab, int32_t id, const char *why, pl_error *err)
{
    const pl_token *token = &vocab->tokens[id];
    char text[64];
    pl_text_escape(vocab->bytes.data + token->text, token->text_size, text, sizeof text);
    pl_text_trim_utf8(text);
    return pl_error_set(err, PL_ERR_UNSUPPORTED, "token %d, '%s', %s", (int)id, text, why);
}

static pl_status split_token(const pl_spm *spm, const pl_vocab *vocab, int32_t id, splits *list,
                             pl_error *err)
{
    const pl_token *token = &vocab->tokens[id];
    const char *text = vocab->bytes.data + token->raw;
    const char *end = text + token->raw_size;
    const size_t first = pl_text_utf8_length(text, end);
    pl_status status = PL_OK;
    if (token->raw_size > LONGEST) {
        return cannot(vocab, id,
                      "is longer than the 1024 bytes that are written to a tokenizer.json", err);
    }
    for (const char *cut = text + first; first > 0 && cut < end && status == PL_OK;) {
        const size_t length = pl_text_utf8_length(cut, end);
        if (length == 0) {
            break; /* not UTF-8: no text holds it */
        }
        const int32_t left = pl_vocab_find(vocab, text, (size_t)(cut - text));
        const int32_t right = pl_vocab_find(vocab, cut, (size_t)(end - cut));
        const bool left_is = left >= 0 || cut == text + first;
        const bool right_is = right >= 0 || cut + length == end;
        if (left_is && right_is && token->unused) {
            status =
                cannot(vocab, id, "is of type unused and can come from merges" CANNOT_SAY, err);
        } else if (left_is && right_is && (left < 0 || right < 0)) {
            status = cannot(vocab, id, "merges from a character without a token" CANNOT_SAY, err);
        } else if (left_is && right_is) {
            status = put_split(list, (split){spm->rank[id], left, right, id}, err);
        }
        cut += length;
    }
    return status;
}

static pl_status list_splits(const pl_spm *spm, const pl_vocab *vocab, splits *list, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; i < vocab->count && status == PL_OK; i++) {
        const pl_token *token = &vocab->tokens[i];
        if (!token->present) {
            continue;
        }
        const char *text = vocab->bytes.data + token->raw;
        const int32_t found = pl_vocab_find(vocab, text, token->raw_size);
        if (token->matchable && found == (int32_t)i) {
            status = split_token(spm, vocab, found, list, err);
        } else if (!token->matchable && found >= 0) {
            status = cannot(vocab, found,
                            "is written like another one of a special type" CANNOT_SAY, err);
        }
    }
    if (status == PL_OK && list->count > 0) {
        qsort(list->items, list->count, sizeof *list->items, by_rank);
    }
    for (size_t i = 1; i < list->count && status == PL_OK; i++) {
        const split *a = &list->items[i - 1], *b = &list->items[i];
        if (a->rank == b->rank && a->id != b->id) {
            status =
                cannot(vocab, b->id, "merges with the same score as another one" CANNOT_SAY, err);
        }
    }
    return status;
}

pl_status pl_spm_merges(const pl_spm *spm, const pl_vocab *vocab, pl_bpe *out, pl_error *err)
{
    splits list = {0};
    *out = (pl_bpe){0};
    pl_status status = list_splits(spm, vocab, &list, err);
    PL_THEN(pl_bpe_reserve(out, list.count, err));
    for (size_t i = 0; i < list.count && status == PL_OK; i++) {
        pl_bpe_put(out, list.items[i].left, list.items[i].right, list.items[i].id);
    }
    if (status != PL_OK) {
        pl_bpe_deinit(out);
    }
    free(list.items);
    return status;
}
