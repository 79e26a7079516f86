#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int32_t new_node(pl_trie *trie, unsigned char byte, int32_t sibling)
{
    if (trie->count == trie->capacity) {
        size_t capacity = trie->capacity < 64 ? 64 : 2 * trie->capacity;
        pl_trie_node *nodes = realloc(trie->nodes, capacity * sizeof *nodes);
        if (nodes == NULL) {
            return -1;
        }
        trie->nodes = nodes;
        trie->capacity = capacity;
    }
    trie->nodes[trie->count] = (pl_trie_node){-1, sibling, -1, byte};
    return (int32_t)trie->count++;
}

static int32_t child_of(const pl_trie *trie, int32_t node, unsigned char byte)
{
    int32_t child = trie->nodes[node].child;
    while (child >= 0 && trie->nodes[child].byte != byte) {
        child = trie->nodes[child].sibling;
    }
    return child;
}

pl_status pl_trie_add(pl_trie *trie, const char *key, size_t size, int32_t added, pl_error *err)
{
    if (!trie->ready) {
        memset(trie->first, 0xff, sizeof trie->first);
        trie->ready = true;
    }
    int32_t node = -1;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)key[i];
        int32_t child = node < 0 ? trie->first[byte] : child_of(trie, node, byte);
        if (child < 0) {
            child = new_node(trie, byte, node < 0 ? -1 : trie->nodes[node].child);
            if (child < 0) {
                return pl_error_memory(err, "the added tokens");
            }
            *(node < 0 ? &trie->first[byte] : &trie->nodes[node].child) = child;
        }
        node = child;
    }
    if (node >= 0) {
        trie->nodes[node].added = added;
    }
    return PL_OK;
}

void pl_trie_deinit(pl_trie *trie)
{
    free(trie->nodes);
    *trie = (pl_trie){0};
}

static int32_t code_at(const char *text, size_t size)
{
    uint32_t code = 0;
    pl_text_utf8_decode(text, text + size, &code);
    return (int32_t)code; /* -1 where there is none */
}

/* Start of the character that ends at `end` (end > 0). */
static size_t char_before(const char *text, size_t end)
{
    size_t start = end - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xc0) == 0x80) {
        start--;
    }
    return start;
}

/* Unicode's White_Space. */
static bool is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* \w of UTS 18: alphabetic, marks, decimal digits, connectors, joiners. */
static bool is_word_character(int32_t c)
{
    if (c < 0) {
        return false;
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9);
    }
}

/* The longest token that starts at text[at]; its size, 0 if none.  *looked: bytes looked at. */
static size_t longest(const pl_trie *trie, const char *text, size_t size, size_t at, int32_t *added,
                      size_t *looked)
{
    size_t found = 0;
    int32_t node = trie->first[(unsigned char)text[at]];
    for (size_t i = at; node >= 0;) {
        i++;
        *looked = i - at;
        if (trie->nodes[node].added >= 0) {
            *added = trie->nodes[node].added;
            found = i - at;
        }
        node = i < size ? child_of(trie, node, (unsigned char)text[i]) : -1;
    }
    return found;
}

static bool token_stands_alone(const char *text, size_t size, size_t start, size_t end)
{
    bool left = start > 0;
    if (left) {
        size_t before = char_before(text, start);
        left = is_word_character(code_at(text + before, start - before));
    }
    return !left && !(end < size && is_word_character(code_at(text + end, size - end)));
}

pl_status pl_trie_next(const pl_trie *trie, const pl_added *added, const char *text, size_t size,
                       size_t *from, size_t taken, pl_found *out, pl_meter *meter, pl_error *err)
{
    *out = (pl_found){size, size, -1};
    for (size_t at = trie->ready ? *from : size; at < size; at++) {
        int32_t index = -1;
        size_t looked = 0;
        size_t length = longest(trie, text, size, at, &index, &looked);
        pl_status status = looked < 2 ? PL_OK : pl_meter_steps(meter, looked, err);
        if (status != PL_OK) {
            return status;
        }
        if (length == 0) {
            continue;
        }
        size_t start = at;
        size_t end = at + length;
        *from = end;
        if (added[index].single_word && !token_stands_alone(text, size, start, end)) {
            at = end - 1;
            continue;
        }
        while (added[index].lstrip && start > taken) {
            size_t before = char_before(text, start);
            if (!is_space(code_at(text + before, start - before))) {
                break;
            }
            start = before;
        }
        while (added[index].rstrip && end < size && is_space(code_at(text + end, size - end))) {
            end += pl_text_utf8_length(text + end, text + size);
        }
        *out = (pl_found){start > taken ? start : taken, end, index};
        return PL_OK;
    }
    *from = size;
    return PL_OK;
}
