#include "core/io/json.h"

#include "core/base/json.h"
#include "core/base/text.h"

#include <stdlib.h>
#include <string.h>

/* As a string no file is likely to hold: after U+0001. */
#define MARK "\"\\u0001"

static const char *const constants[] = {"NaN", "Infinity", "-Infinity"};
enum { CONSTANTS = sizeof constants / sizeof constants[0], INTEGER_DIGITS = 18 };

/* Length of a string's text from its first quotation mark on. */
static size_t string_size(const char *text, size_t size)
{
    for (size_t i = 1; i < size; i++) {
        if (text[i] == '"') {
            return i + 1;
        }
        i += text[i] == '\\' ? 1 : 0;
    }
    return size;
}

/* Length of the constant or too long integer that stands here, or 0; what it becomes to out. */
static size_t replace(const char *text, size_t size, pl_buf *out)
{
    for (size_t c = 0; c < CONSTANTS; c++) {
        size_t length = strlen(constants[c]);
        if (size >= length && memcmp(text, constants[c], length) == 0) {
            pl_buf_printf(out, MARK "%s\"", constants[c]);
            return length;
        }
    }
    size_t digits = 0;
    while (digits < size && text[digits] >= '0' && text[digits] <= '9') {
        digits++;
    }
    if (digits > 0) {
        bool real = digits < size && strchr(".eE", text[digits]) != NULL;
        pl_buf_append(out, text, digits);
        pl_buf_puts(out, digits > INTEGER_DIGITS && !real ? "e0" : "");
    }
    return digits;
}

json_t *pl_json_load(const char *text, size_t size, json_error_t *why)
{
    pl_buf plain = {0};
    for (size_t at = 0; at < size;) {
        size_t taken = text[at] == '"' ? string_size(text + at, size - at) : 0;
        if (taken > 0) {
            pl_buf_append(&plain, text + at, taken);
        } else {
            taken = replace(text + at, size - at, &plain);
        }
        if (taken == 0) {
            pl_buf_append(&plain, text + at, 1);
            taken = 1;
        }
        at += taken;
    }
    json_t *json = NULL;
    if (plain.failed) {
        *why = (json_error_t){.line = 1, .text = "out of memory"};
    } else {
        json = json_loadb(plain.data != NULL ? plain.data : "", plain.size, JSON_ALLOW_NUL, why);
    }
    pl_buf_deinit(&plain);
    return json;
}

char *pl_json_dump(const json_t *json)
{
    char *text = pl_json_text(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    for (char *at = text; at != NULL && (at = strstr(at, MARK)) != NULL;) {
        char *from = at + strlen(MARK);
        char *end = strchr(from, '"');
        for (size_t c = 0; c < CONSTANTS && end != NULL; c++) {
            size_t length = strlen(constants[c]);
            if ((size_t)(end - from) == length && memcmp(from, constants[c], length) == 0) {
                memmove(at, from, length);
                memmove(at + length, end + 1, strlen(end + 1) + 1);
                break;
            }
        }
        at++;
    }
    return text;
}
