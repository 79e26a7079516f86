#include "core/base/text.h"

#include "core/base/memory.h"

#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* Where the ending would begin; NULL where the text is shorter. */
static const char *ending_of(const char *text, const char *ending)
{
    const size_t size = strlen(text), need = strlen(ending);
    return size >= need ? text + size - need : NULL;
}

const char *pl_text_last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

bool pl_text_ends(const char *text, const char *ending)
{
    const char *end = ending_of(text, ending);
    return end != NULL && strcmp(end, ending) == 0;
}

bool pl_text_ends_nocase(const char *text, const char *ending)
{
    const char *end = ending_of(text, ending);
    return end != NULL && strcasecmp(end, ending) == 0;
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

bool pl_text_glob(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, 0) == 0;
}

size_t pl_text_distance(const char *a, const char *b)
{
    size_t row[128];
    size_t n = strlen(b);
    if (n >= 128) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t replace = corner + (a[i - 1] != b[j - 1]);
            size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            corner = row[j];
            row[j] = replace < step ? replace : step;
        }
    }
    return row[n];
}

static void fail(pl_buf *buf)
{
    buf->failed = true;
    pl_memory_failed();
}

static bool reserve(pl_buf *buf, size_t extra)
{
    if (buf->failed || extra > SIZE_MAX / 4 - buf->size) {
        fail(buf);
        return false;
    }
    size_t need = buf->size + extra + 1;
    if (need <= buf->capacity) {
        return true;
    }
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < need) {
        capacity *= 2;
    }
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        fail(buf);
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void pl_buf_append(pl_buf *buf, const void *bytes, size_t size)
{
    if (!reserve(buf, size)) {
        return;
    }
    if (size > 0) {
        memcpy(buf->data + buf->size, bytes, size);
    }
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void pl_buf_puts(pl_buf *buf, const char *text)
{
    pl_buf_append(buf, text, strlen(text));
}

void pl_buf_printf(pl_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        fail(buf);
    } else if (reserve(buf, (size_t)length)) {
        vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
        buf->size += (size_t)length;
    }
    va_end(again);
}

void pl_text_quote(const char *text, const char *special, pl_buf *out)
{
    if (text[0] != '\0' && strpbrk(text, special) == NULL) {
        pl_buf_puts(out, text);
        return;
    }
    do {
        const char quote = *text == '\'' ? '"' : '\'';
        const size_t length = quote == '"' ? strspn(text, "'") : strcspn(text, "'");
        pl_buf_printf(out, "%c%.*s%c", quote, (int)length, text, quote);
        text += length;
    } while (*text != '\0');
}

void pl_buf_deinit(pl_buf *buf)
{
    free(buf->data);
    *buf = (pl_buf){0};
}

pl_status pl_buf_check(const pl_buf *buf, pl_error *err)
{
    return buf->failed ? pl_error_memory(err, "a text") : PL_OK;
}
