#include "core/model/tokenizer.h"

#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

char *pl_copy_bytes(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, bytes, size);
        copy[size] = '\0';
    }
    return copy;
}

pl_status pl_tokenizer_create(pl_tokenizer **out, pl_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return pl_error_memory(err, "a tokenizer");
    }
    (*out)->bpe.unk = -1;
    (*out)->bos = -1;
    (*out)->eos = -1;
    return PL_OK;
}

void pl_tokenizer_destroy(pl_tokenizer *tokenizer)
{
    if (tokenizer == NULL) {
        return;
    }
    pl_vocab_deinit(&tokenizer->vocab);
    pl_bpe_deinit(&tokenizer->bpe);
    pl_spm_deinit(&tokenizer->spm);
    for (size_t i = 0; i < tokenizer->n_added; i++) {
        free(tokenizer->added[i].content);
    }
    free(tokenizer->added);
    free(tokenizer->added_of);
    pl_trie_deinit(&tokenizer->raw_trie);
    pl_trie_deinit(&tokenizer->normalized_trie);
    for (size_t i = 0; i < tokenizer->n_normalizers; i++) {
        pl_step_deinit(&tokenizer->normalizers[i]);
    }
    for (size_t i = 0; i < tokenizer->n_splits; i++) {
        pl_step_deinit(&tokenizer->splits[i]);
    }
    free(tokenizer);
}

/* Byte fallback beside a byte-level vocabulary does nothing when all bytes have a token. */
static pl_status check_bytes(const pl_tokenizer *tokenizer, pl_error *err)
{
    bool all = true;
    for (size_t byte = 0; byte < 256; byte++) {
        all = all && tokenizer->vocab.byte_id[byte] >= 0;
    }
    if (tokenizer->bpe.byte_level && tokenizer->bpe.byte_fallback && !all) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "byte_fallback beside a ByteLevel pre-tokenizer is not supported "
                            "unless every byte has a token");
    }
    return PL_OK;
}

pl_status pl_tokenizer_finish(pl_tokenizer *tokenizer, pl_error *err)
{
    if (tokenizer->spm.rank == NULL) { /* else the reader found them by their type */
        pl_bpe_find_fallback(&tokenizer->bpe, &tokenizer->vocab);
    }
    pl_status status = check_bytes(tokenizer, err);
    size_t count = tokenizer->vocab.count;
    tokenizer->added_of = malloc((count + 1) * sizeof *tokenizer->added_of);
    if (tokenizer->added_of == NULL) {
        return pl_error_memory(err, "a tokenizer");
    }
    memset(tokenizer->added_of, 0xff, (count + 1) * sizeof *tokenizer->added_of);
    pl_buf key = {0};
    for (size_t i = 0; i < tokenizer->n_added && status == PL_OK; i++) {
        const pl_added *added = &tokenizer->added[i];
        pl_meter meter;
        pl_meter_init(&meter, added->size, 0, 0, NULL);
        tokenizer->added_of[added->id] = (int32_t)i;
        if (!added->normalized) {
            status =
                pl_trie_add(&tokenizer->raw_trie, added->content, added->size, (int32_t)i, err);
            continue;
        }
        status = pl_normalize(tokenizer->normalizers, tokenizer->n_normalizers, added->content,
                              added->size, &key, &meter, err);
        PL_THEN(pl_trie_add(&tokenizer->normalized_trie, key.data, key.size, (int32_t)i, err));
    }
    pl_buf_deinit(&key);
    return status;
}

size_t pl_tokenizer_vocab_size(const pl_tokenizer *tokenizer)
{
    return tokenizer->vocab.count;
}

const pl_frame *pl_tokenizer_frame(const pl_tokenizer *tokenizer)
{
    return &tokenizer->frame;
}

int32_t pl_tokenizer_find(const pl_tokenizer *tokenizer, const char *text, size_t size)
{
    const pl_vocab *vocab = &tokenizer->vocab;
    for (size_t id = 0; id < vocab->count; id++) {
        const pl_token *token = &vocab->tokens[id];
        if (token->present && token->text_size == size &&
            memcmp(vocab->bytes.data + token->text, text, size) == 0) {
            return (int32_t)id;
        }
    }
    return -1;
}

typedef struct encoding {
    const pl_tokenizer *tokenizer;
    pl_meter meter;
    pl_splitter splitter;
    pl_buf normal;
    pl_bpe_work work;
} encoding;

static pl_status encode_plain(encoding *e, const char *text, size_t size, bool at_start,
                              pl_error *err)
{
    const pl_tokenizer *t = e->tokenizer;
    if (t->spm.rank != NULL) {
        return pl_spm_encode(&t->spm, &t->bpe, &t->vocab, text, size, &e->work, err);
    }
    pl_status status =
        pl_splitter_run(&e->splitter, t->splits, t->n_splits, text, size, at_start, err);
    for (size_t i = 0; i < e->splitter.pieces.count && status == PL_OK; i++) {
        pl_piece piece = e->splitter.pieces.items[i];
        status = pl_bpe_piece_kept(&t->bpe, &t->vocab, e->splitter.text.data + piece.start,
                                   piece.size, &e->work, err);
    }
    return status;
}

/* Text between two raw added tokens: normalized, then cut at the normalized added tokens. */
static pl_status encode_between(encoding *e, const char *text, size_t size, bool at_start,
                                pl_error *err)
{
    const pl_tokenizer *t = e->tokenizer;
    if (size == 0) {
        return PL_OK;
    }
    pl_status status = PL_OK;
    if (t->n_normalizers > 0) {
        status =
            pl_normalize(t->normalizers, t->n_normalizers, text, size, &e->normal, &e->meter, err);
        text = e->normal.data;
        size = e->normal.size;
    }
    size_t from = 0;
    size_t taken = 0;
    pl_found found;
    while (status == PL_OK) {
        status = pl_trie_next(&t->normalized_trie, t->added, text, size, &from, taken, &found,
                              &e->meter, err);
        if (status != PL_OK || found.added < 0) {
            break;
        }
        if (found.start > taken) {
            status =
                encode_plain(e, text + taken, found.start - taken, at_start && taken == 0, err);
        }
        PL_THEN(pl_bpe_emit(&e->work, t->added[found.added].id, err));
        taken = found.end > taken ? found.end : taken;
    }
    if (status == PL_OK && taken < size) {
        status = encode_plain(e, text + taken, size - taken, at_start && taken == 0, err);
    }
    return status;
}

static pl_status check_utf8(const char *text, size_t size, pl_error *err)
{
    for (size_t i = 0; i < size;) {
        size_t length =
            (unsigned char)text[i] < 0x80 ? 1 : pl_text_utf8_length(text + i, text + size);
        if (length == 0) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "the text is not valid UTF-8: byte 0x%02x at offset %zu",
                                (unsigned char)text[i], i);
        }
        i += length;
    }
    return PL_OK;
}

/* Cuts at the raw added tokens and encodes what lies between them. */
static pl_status encode_all(encoding *e, const char *text, size_t size, pl_error *err)
{
    const pl_tokenizer *t = e->tokenizer;
    pl_status status = PL_OK;
    size_t from = 0;
    size_t taken = 0;
    pl_found found;
    while (status == PL_OK) {
        status =
            pl_trie_next(&t->raw_trie, t->added, text, size, &from, taken, &found, &e->meter, err);
        PL_THEN(encode_between(e, text + taken, found.start - taken, taken == 0, err));
        if (status != PL_OK || found.added < 0) {
            break;
        }
        status = pl_bpe_emit(&e->work, t->added[found.added].id, err);
        taken = found.end > taken ? found.end : taken;
    }
    return status;
}

pl_status pl_tokenizer_encode(const pl_tokenizer *tokenizer, const char *text, size_t size,
                              size_t memory, int32_t **ids, size_t *count, pl_task *task,
                              pl_error *err)
{
    *ids = NULL;
    *count = 0;
    encoding e = {.tokenizer = tokenizer, .work = {.meter = &e.meter}};
    pl_meter_init(&e.meter, size, tokenizer->n_splits, memory, task);
    pl_status status = check_utf8(text, size, err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_meter_take(&e.meter, 0, size, err);
    PL_THEN(pl_splitter_init(&e.splitter, &e.meter, err));
    PL_THEN(encode_all(&e, text, size, err));
    if (status == PL_OK && e.work.ids == NULL) {
        e.work.ids = malloc(sizeof *e.work.ids); /* an empty result is an array, too */
        status = e.work.ids != NULL ? PL_OK : pl_error_memory(err, "a tokenizer");
    }
    if (status == PL_OK) {
        *ids = e.work.ids;
        *count = e.work.count;
    }
    pl_splitter_deinit(&e.splitter);
    pl_buf_deinit(&e.normal);
    pl_bpe_work_deinit(&e.work, status == PL_OK);
    return status;
}

/* The byte that a fallback token such as <0x41> stands for, or -1. */
static int fallback_byte(const pl_tokenizer *t, int32_t id, const char *text, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    if (!t->bpe.byte_fallback || size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') {
        return -1;
    }
    const char *high = memchr(digits, text[3], 16);
    const char *low = memchr(digits, text[4], 16);
    if (high == NULL || low == NULL) {
        return -1;
    }
    int byte = (int)((high - digits) * 16 + (low - digits));
    return t->bpe.fallback[byte] == id ? byte : -1;
}

void pl_tokenizer_decode(const pl_tokenizer *tokenizer, int32_t id, pl_buf *out)
{
    const pl_vocab *vocab = &tokenizer->vocab;
    if (id < 0 || (size_t)id >= vocab->count || !vocab->tokens[id].present) {
        return;
    }
    const pl_token *token = &vocab->tokens[id];
    const char *text = vocab->bytes.data + token->text;
    int byte = fallback_byte(tokenizer, id, text, token->text_size);
    if (byte >= 0) {
        char raw = (char)(unsigned char)byte;
        pl_buf_append(out, &raw, 1);
    } else if (tokenizer->added_of[id] >= 0) {
        pl_buf_append(out, text, token->text_size);
    } else if (!tokenizer->metaspace) {
        pl_buf_append(out, vocab->bytes.data + token->raw, token->raw_size);
    } else {
        for (size_t i = 0; i < token->text_size;) {
            bool blank = token->text_size - i >= 3 && memcmp(text + i, PL_METASPACE, 3) == 0;
            pl_buf_append(out, blank ? " " : text + i, 1);
            i += blank ? 3 : 1;
        }
    }
}

void pl_tokenizer_show(const pl_tokenizer *tokenizer, int32_t id, pl_buf *out)
{
    pl_buf raw = {0};
    pl_tokenizer_decode(tokenizer, id, &raw);
    if (raw.size > 0) {
        size_t size = pl_text_escape(raw.data, raw.size, NULL, 0);
        char *shown = malloc(size + 1);
        if (shown != NULL) {
            pl_text_escape(raw.data, raw.size, shown, size + 1);
            pl_buf_puts(out, shown);
            free(shown);
        } else {
            out->failed = true;
        }
    }
    out->failed = out->failed || raw.failed;
    pl_buf_deinit(&raw);
}
