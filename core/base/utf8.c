#include "core/base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

size_t pl_text_utf8_length(const char *s, const char *end)
{
    size_t left = (size_t)(end - s);
    if (left == 0) {
        return 0;
    }
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        return 1;
    }
    size_t need = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || left < need) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
    bool surrogate = u[0] == 0xed && u[1] >= 0xa0;
    bool beyond = u[0] == 0xf4 && u[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : need;
}

size_t pl_text_utf8_decode(const char *s, const char *end, uint32_t *code)
{
    const unsigned char *u = (const unsigned char *)s;
    const size_t length = pl_text_utf8_length(s, end);
    *code = length == 0 ? UINT32_MAX : length == 1 ? u[0] : u[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        *code = (*code << 6) | (u[i] & 0x3fu);
    }
    return length;
}

size_t pl_text_utf8_encode(uint32_t code, char *out)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    const size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 0; code >>= 6) {
        out[i] = (char)(i > 0 ? 0x80u | (code & 0x3f) : lead[n] | code);
    }
    return n;
}

static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x2028 || code == 0x2029;
}

size_t pl_text_escape(const char *raw, size_t size, char *out, size_t capacity)
{
    const char *end = raw + size;
    size_t total = 0;
    size_t written = 0;
    bool full = capacity == 0;
    while (raw < end) {
        char piece[20];
        uint32_t code = 0;
        size_t used = pl_text_utf8_decode(raw, end, &code);
        size_t length = 0;
        if (used > 0 && !is_unsafe(code)) {
            memcpy(piece, raw, used);
            length = used;
        } else if (*raw == '\n' || *raw == '\t' || *raw == '\r') {
            piece[0] = '\\';
            piece[1] = *raw == '\n' ? 'n' : *raw == '\t' ? 't' : 'r';
            length = 2;
            used = 1;
        } else {
            used = used > 0 ? used : 1;
            for (size_t i = 0; i < used; i++) {
                length += (size_t)snprintf(piece + length, sizeof piece - length, "\\x%02x",
                                           (unsigned char)raw[i]);
            }
        }
        if (!full && written + length < capacity) {
            memcpy(out + written, piece, length);
            written += length;
        } else {
            full = true;
        }
        total += length;
        raw += used;
    }
    if (capacity > 0) {
        out[written] = '\0';
    }
    return total;
}

void pl_text_trim_utf8(char *text)
{
    size_t size = strlen(text);
    const char *end = text + size;
    size_t back = 0;
    while (back < 4 && back < size && ((unsigned char)text[size - 1 - back] & 0xc0) == 0x80) {
        back++;
    }
    if (back < size && pl_text_utf8_length(text + size - 1 - back, end) != back + 1) {
        text[size - 1 - back] = '\0';
    }
}
