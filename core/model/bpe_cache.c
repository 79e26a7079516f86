/* Texts repeat their words: what a short piece became is kept, in a table of one place a hash. */
#define XXH_INLINE_ALL
#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { PLACES = 1 << 14, MOST_BYTES = 22, MOST_IDS = 10 };

struct pl_kept {
    uint8_t size, count; /* size 0: a free place */
    char raw[MOST_BYTES];
    int32_t ids[MOST_IDS];
};

_Static_assert(sizeof(struct pl_kept) == 64, "a place is a cache line");

static pl_status make_token_cache(pl_bpe_work *work, pl_error *err)
{
    work->kept = calloc(PLACES, sizeof *work->kept);
    return work->kept == NULL ? pl_error_memory(err, "the tokens of a text of this size")
                              : pl_meter_take(work->meter, 0, PLACES * sizeof *work->kept, err);
}

static pl_status emit(pl_bpe_work *work, const struct pl_kept *kept, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; i < kept->count && status == PL_OK; i++) {
        status = pl_bpe_emit(work, kept->ids[i], err);
    }
    return status;
}

pl_status pl_bpe_piece_kept(const pl_bpe *bpe, const pl_vocab *vocab, const char *raw, size_t size,
                            pl_bpe_work *work, pl_error *err)
{
    pl_status status = PL_OK;
    if (size > MOST_BYTES || size == 0) {
        return pl_bpe_piece(bpe, vocab, raw, size, work, err);
    }
    if (work->kept == NULL && (status = make_token_cache(work, err)) != PL_OK) {
        return status;
    }
    struct pl_kept *kept = &work->kept[XXH3_64bits(raw, size) & (PLACES - 1)];
    if (kept->size == size && memcmp(kept->raw, raw, size) == 0) {
        return emit(work, kept, err);
    }
    const size_t first = work->count;
    status = pl_bpe_piece(bpe, vocab, raw, size, work, err);
    const size_t count = work->count - first;
    if (status == PL_OK && count <= MOST_IDS) {
        kept->size = (uint8_t)size;
        kept->count = (uint8_t)count;
        memcpy(kept->raw, raw, size);
        memcpy(kept->ids, work->ids + first, count * sizeof *kept->ids);
    }
    return status;
}
