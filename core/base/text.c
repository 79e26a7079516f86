#include "core/base/text.h"

#include "core/base/memory.h"

#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

bool pl_text_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
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

static bool reserve_bytes(pl_buf *buf, size_t extra)
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
    if (!reserve_bytes(buf, size)) {
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
    } else if (reserve_bytes(buf, (size_t)length)) {
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
