#define XXH_INLINE_ALL
#include "core/model/tokenizer_parts.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* GPT-2's byte alphabet: printable bytes stand for themselves, the others (0..32, 127..160, 173),
 * in order, for U+0100 and up. */
static bool is_printable(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static unsigned stand_in(unsigned byte)
{
    if (is_printable(byte)) {
        return byte;
    }
    return 256 + (byte <= 32 ? byte : byte <= 160 ? byte - 127 + 33 : 67);
}

/* The byte that a code point stands for, or -1. */
static int byte_of(unsigned code)
{
    if (code < 256) {
        return is_printable(code) ? (int)code : -1;
    }
    code -= 256;
    return code < 33 ? (int)code : code < 67 ? (int)code - 33 + 127 : code == 67 ? 173 : -1;
}

size_t pl_byte_stand_in(unsigned char byte, char out[2])
{
    return pl_text_utf8_encode(stand_in(byte), out);
}

bool pl_bytes_unmap(const char *text, size_t size, char *out, size_t *out_size)
{
    const char *end = text + size;
    size_t n = 0;
    while (text < end) {
        uint32_t code = 0;
        text += pl_text_utf8_decode(text, end, &code);
        int byte = byte_of(code);
        if (byte < 0) {
            return false;
        }
        out[n++] = (char)(unsigned char)byte;
    }
    *out_size = n;
    return true;
}

pl_status pl_vocab_reserve(pl_vocab *vocab, size_t count, pl_error *err)
{
    if (count <= vocab->count) {
        return PL_OK;
    }
    pl_token *tokens = realloc(vocab->tokens, count * sizeof *tokens);
    if (tokens == NULL) {
        return pl_error_memory(err, "a vocabulary of %zu tokens", count);
    }
    memset(tokens + vocab->count, 0, (count - vocab->count) * sizeof *tokens);
    vocab->tokens = tokens;
    vocab->count = count;
    return PL_OK;
}

void pl_vocab_set(pl_vocab *vocab, size_t id, const char *text, size_t size)
{
    pl_token *token = &vocab->tokens[id];
    token->text = vocab->bytes.size;
    token->text_size = (uint32_t)size;
    token->raw = token->text;
    token->raw_size = token->text_size;
    token->present = true;
    token->matchable = true;
    pl_buf_append(&vocab->bytes, text, size);
}

static size_t slot_of(const pl_vocab *vocab, const char *raw, size_t size)
{
    size_t slot = (size_t)XXH3_64bits(raw, size) & vocab->mask;
    while (vocab->table[slot] >= 0) {
        const pl_token *token = &vocab->tokens[vocab->table[slot]];
        if (token->raw_size == size && memcmp(vocab->bytes.data + token->raw, raw, size) == 0) {
            break;
        }
        slot = (slot + 1) & vocab->mask;
    }
    return slot;
}

/* Appends the raw form of every token that has one; the others cannot come out of BPE. */
static pl_status map_to_raw(pl_vocab *vocab, pl_error *err)
{
    char *raw = malloc(vocab->bytes.size + 1);
    if (raw == NULL) {
        return pl_error_memory(err, "a vocabulary's bytes");
    }
    size_t base = vocab->bytes.size;
    size_t total = 0;
    for (size_t id = 0; id < vocab->count; id++) {
        pl_token *token = &vocab->tokens[id];
        size_t size = 0;
        if (!token->present || !token->matchable) {
            continue;
        }
        token->matchable =
            pl_bytes_unmap(vocab->bytes.data + token->text, token->text_size, raw + total, &size);
        if (token->matchable) {
            token->raw = base + total;
            token->raw_size = (uint32_t)size;
            total += size;
        }
    }
    pl_buf_append(&vocab->bytes, raw, total);
    free(raw);
    return pl_buf_check(&vocab->bytes, err);
}

pl_status pl_vocab_index(pl_vocab *vocab, bool byte_level, pl_error *err)
{
    pl_status status = pl_buf_check(&vocab->bytes, err);
    if (status == PL_OK && byte_level) {
        status = map_to_raw(vocab, err);
    }
    if (status != PL_OK) {
        return status;
    }
    size_t capacity = 16;
    while (capacity < 2 * vocab->count) {
        capacity *= 2;
    }
    vocab->table = malloc(capacity * sizeof *vocab->table);
    if (vocab->table == NULL) {
        return pl_error_memory(err, "a vocabulary's table");
    }
    memset(vocab->table, 0xff, capacity * sizeof *vocab->table);
    vocab->mask = capacity - 1;
    for (size_t id = 0; id < vocab->count; id++) {
        const pl_token *token = &vocab->tokens[id];
        if (token->present && token->matchable) {
            vocab->table[slot_of(vocab, vocab->bytes.data + token->raw, token->raw_size)] =
                (int32_t)id;
        }
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        char raw = (char)(unsigned char)byte;
        vocab->byte_id[byte] = pl_vocab_find(vocab, &raw, 1);
    }
    return PL_OK;
}

int32_t pl_vocab_find(const pl_vocab *vocab, const char *raw, size_t size)
{
    return vocab->table == NULL ? -1 : vocab->table[slot_of(vocab, raw, size)];
}

void pl_vocab_deinit(pl_vocab *vocab)
{
    free(vocab->tokens);
    free(vocab->table);
    pl_buf_deinit(&vocab->bytes);
    *vocab = (pl_vocab){0};
}
