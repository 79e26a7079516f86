#include "core/model/tokenizer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static size_t merge_slot(const pl_bpe *bpe, uint64_t pair)
{
    uint64_t mixed = pair * UINT64_C(0x9e3779b97f4a7c15);
    size_t slot = (size_t)(mixed ^ (mixed >> 29)) & bpe->mask;
    while (bpe->table[slot].pair != pair && bpe->table[slot].pair != UINT64_MAX) {
        slot = (slot + 1) & bpe->mask;
    }
    return slot;
}

static const pl_merge *find_merge(const pl_bpe *bpe, int32_t left, int32_t right)
{
    const pl_merge *merge = &bpe->table[merge_slot(bpe, pair_of(left, right))];
    return merge->pair == UINT64_MAX ? NULL : merge;
}

pl_status pl_bpe_reserve(pl_bpe *bpe, size_t count, pl_error *err)
{
    size_t capacity = 16;
    while (capacity < 2 * count) {
        capacity *= 2;
    }
    bpe->left = malloc((count + 1) * sizeof *bpe->left);
    bpe->right = malloc((count + 1) * sizeof *bpe->right);
    bpe->table = malloc(capacity * sizeof *bpe->table);
    if (bpe->left == NULL || bpe->right == NULL || bpe->table == NULL) {
        return pl_error_memory(err, "%zu merges", count);
    }
    memset(bpe->table, 0xff, capacity * sizeof *bpe->table);
    bpe->mask = capacity - 1;
    return PL_OK;
}

static int32_t find_written(const pl_bpe *bpe, const pl_vocab *vocab, const char *text, size_t size)
{
    char raw[1024];
    if (!bpe->byte_level) {
        return pl_vocab_find(vocab, text, size);
    }
    return size <= sizeof raw && pl_bytes_unmap(text, size, raw, &size)
               ? pl_vocab_find(vocab, raw, size)
               : -1;
}

pl_status pl_bpe_add(pl_bpe *bpe, const pl_vocab *vocab, const char *a, size_t a_size,
                     const char *b, size_t b_size, pl_error *err)
{
    char whole[1024];
    int32_t left = find_written(bpe, vocab, a, a_size);
    int32_t right = find_written(bpe, vocab, b, b_size);
    int32_t id = -1;
    if (left >= 0 && right >= 0 && a_size + b_size <= sizeof whole) {
        memcpy(whole, a, a_size);
        memcpy(whole + a_size, b, b_size);
        id = find_written(bpe, vocab, whole, a_size + b_size);
    }
    if (id < 0) {
        return pl_error_set(
            err, PL_ERR_FORMAT, "merge %zu, '%.*s' + '%.*s': %s is not in the vocabulary",
            bpe->count, (int)(a_size < 60 ? a_size : 60), a, (int)(b_size < 60 ? b_size : 60), b,
            left < 0    ? "its first part"
            : right < 0 ? "its second part"
                        : "its result");
    }
    pl_bpe_put(bpe, left, right, id);
    return PL_OK;
}

void pl_bpe_put(pl_bpe *bpe, int32_t left, int32_t right, int32_t id)
{
    pl_merge *merge = &bpe->table[merge_slot(bpe, pair_of(left, right))];
    *merge = (pl_merge){pair_of(left, right), (int32_t)bpe->count, id};
    bpe->left[bpe->count] = left;
    bpe->right[bpe->count] = right;
    bpe->count++;
}

void pl_bpe_find_fallback(pl_bpe *bpe, const pl_vocab *vocab)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        int size = snprintf(name, sizeof name, "<0x%02X>", byte);
        bpe->fallback[byte] = pl_vocab_find(vocab, name, (size_t)size);
    }
}

void pl_bpe_deinit(pl_bpe *bpe)
{
    free(bpe->left);
    free(bpe->right);
    free(bpe->table);
    *bpe = (pl_bpe){0};
}

/* Grows an array of `size`-byte items to hold need of them. */
static pl_status grow(void **items, size_t *capacity, size_t need, size_t size, pl_meter *meter,
                      pl_error *err)
{
    if (need <= *capacity) {
        return PL_OK;
    }
    size_t wanted = *capacity < 64 ? 64 : *capacity;
    while (wanted < need) {
        wanted *= 2;
    }
    pl_status status = pl_meter_take(meter, *capacity * size, wanted * size, err);
    if (status != PL_OK) {
        return status;
    }
    void *grown = realloc(*items, wanted * size);
    if (grown == NULL) {
        return pl_error_memory(err, "the tokens of a text of this size");
    }
    *items = grown;
    *capacity = wanted;
    return PL_OK;
}

pl_status pl_bpe_emit(pl_bpe_work *work, int32_t id, pl_error *err)
{
    void *ids = work->ids;
    pl_status status =
        grow(&ids, &work->capacity, work->count + 1, sizeof *work->ids, work->meter, err);
    work->ids = ids;
    if (status == PL_OK) {
        work->ids[work->count++] = id;
    }
    return status;
}

/* A candidate comes first by rank, then by position. */
static bool before(const pl_candidate *a, const pl_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->position < b->position;
}

static void sift_down(pl_candidate *heap, size_t count, size_t at)
{
    pl_candidate moved = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && before(&heap[child + 1], &heap[child])) {
            child++;
        }
        if (!before(&heap[child], &moved)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void sift_up(pl_candidate *heap, size_t at)
{
    pl_candidate moved = heap[at];
    while (at > 0 && before(&moved, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moved;
}

void pl_heap_push(pl_bpe_work *work, pl_candidate candidate)
{
    work->heap[work->heap_size++] = candidate;
    sift_up(work->heap, work->heap_size - 1);
}

pl_candidate pl_heap_pop(pl_bpe_work *work)
{
    pl_candidate top = work->heap[0];
    work->heap[0] = work->heap[--work->heap_size];
    sift_down(work->heap, work->heap_size, 0);
    return top;
}

/* Puts the pair that begins at position in the heap's array if it merges; returns whether. */
static bool propose(const pl_bpe *bpe, pl_bpe_work *work, int32_t position)
{
    int32_t next = position < 0 ? -1 : work->symbols[position].next;
    if (next < 0) {
        return false;
    }
    const pl_merge *merge = find_merge(bpe, work->symbols[position].id, work->symbols[next].id);
    if (merge == NULL) {
        return false;
    }
    work->heap[work->heap_size++] = (pl_candidate){merge->rank, position, merge->id};
    return true;
}

/* Merges the best pair until none is left.  As in Hugging Face's tokenizers, an entry whose pair
 * has changed since is skipped if the new pair gives another token. */
static pl_status merge_all(const pl_bpe *bpe, pl_bpe_work *work, size_t count, pl_error *err)
{
    pl_symbol *symbols = work->symbols;
    work->heap_size = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        (void)propose(bpe, work, (int32_t)i);
    }
    for (size_t i = work->heap_size / 2; i-- > 0;) {
        sift_down(work->heap, work->heap_size, i);
    }
    while (work->heap_size > 0) {
        pl_candidate top = pl_heap_pop(work);
        pl_symbol *symbol = &symbols[top.position];
        if (symbol->id < 0 || symbol->next < 0) {
            continue;
        }
        const pl_merge *merge = find_merge(bpe, symbol->id, symbols[symbol->next].id);
        if (merge == NULL || merge->id != top.id) {
            continue;
        }
        pl_symbol *right = &symbols[symbol->next];
        symbol->id = top.id;
        symbol->next = right->next;
        right->id = -1;
        if (symbol->next >= 0) {
            symbols[symbol->next].prev = top.position;
        }
        if (propose(bpe, work, symbol->prev)) {
            sift_up(work->heap, work->heap_size - 1);
        }
        if (propose(bpe, work, top.position)) {
            sift_up(work->heap, work->heap_size - 1);
        }
        pl_status status = pl_meter_steps(work->meter, 1, err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

static size_t put_symbol(pl_bpe_work *work, size_t count, int32_t id)
{
    work->symbols[count] = (pl_symbol){id, (int32_t)count - 1, (int32_t)count + 1};
    return count + 1;
}

/* One symbol a character (a byte, if byte-level).  A character without a token becomes its byte
 * tokens, else the unknown token, else nothing.  As in Hugging Face's tokenizers, an unknown token
 * waits, so that a run of them can fuse, and byte tokens overtake it. */
static size_t first_symbols(const pl_bpe *bpe, const pl_vocab *vocab, const char *raw, size_t size,
                            pl_bpe_work *work)
{
    size_t count = 0;
    bool waiting = false;
    for (size_t i = 0, length = 0; i < size; i += length) {
        length = bpe->byte_level ? 1 : pl_text_utf8_length(raw + i, raw + size);
        length = length > 0 ? length : 1;
        int32_t id = length == 1 ? vocab->byte_id[(unsigned char)raw[i]]
                                 : pl_vocab_find(vocab, raw + i, length);
        if (id >= 0) {
            count = waiting ? put_symbol(work, count, bpe->unk) : count;
            waiting = false;
            count = put_symbol(work, count, id);
            continue;
        }
        bool bytes = bpe->byte_fallback && !bpe->byte_level;
        for (size_t k = 0; k < length; k++) {
            bytes = bytes && bpe->fallback[(unsigned char)raw[i + k]] >= 0;
        }
        if (bytes) {
            for (size_t k = 0; k < length; k++) {
                count = put_symbol(work, count, bpe->fallback[(unsigned char)raw[i + k]]);
            }
        } else if (bpe->unk >= 0) {
            count = waiting && !bpe->fuse_unk ? put_symbol(work, count, bpe->unk) : count;
            waiting = true;
        }
    }
    return waiting ? put_symbol(work, count, bpe->unk) : count;
}

pl_status pl_bpe_work_reserve(pl_bpe_work *work, size_t size, pl_error *err)
{
    if (size >= INT32_MAX / 2) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the text has an unbroken piece of %zu bytes; the limit is 1 GiB",
                            size);
    }
    /* Every merge removes a symbol and proposes two pairs at most. */
    void *symbols = work->symbols;
    void *heap = work->heap;
    pl_status status =
        grow(&symbols, &work->symbol_capacity, size + 1, sizeof(pl_symbol), work->meter, err);
    work->symbols = symbols;
    if (status == PL_OK) {
        status =
            grow(&heap, &work->heap_capacity, 3 * size + 2, sizeof(pl_candidate), work->meter, err);
        work->heap = heap;
    }
    return status;
}

pl_status pl_bpe_piece(const pl_bpe *bpe, const pl_vocab *vocab, const char *raw, size_t size,
                       pl_bpe_work *work, pl_error *err)
{
    if (bpe->ignore_merges) {
        int32_t id = pl_vocab_find(vocab, raw, size);
        if (id >= 0) {
            return pl_bpe_emit(work, id, err);
        }
    }
    pl_status status = pl_bpe_work_reserve(work, size, err);
    if (status != PL_OK) {
        return status;
    }
    size_t count = first_symbols(bpe, vocab, raw, size, work);
    if (count == 0) {
        return PL_OK;
    }
    work->symbols[count - 1].next = -1;
    status = bpe->count > 0 ? merge_all(bpe, work, count, err) : PL_OK;
    for (int32_t at = 0; status == PL_OK && at >= 0; at = work->symbols[at].next) {
        status = pl_bpe_emit(work, work->symbols[at].id, err);
    }
    return status;
}

void pl_bpe_work_deinit(pl_bpe_work *work, bool keep_ids)
{
    free(work->symbols);
    free(work->heap);
    free(work->halves);
    free(work->kept);
    if (!keep_ids) {
        free(work->ids);
    }
    *work = (pl_bpe_work){0};
}
