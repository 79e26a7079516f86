#include "plots/provenance.h"

#include "core/base/checked.h"
#include "core/base/file.h"
#include "core/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 30 };

static pl_status add_origin_line(pl_origin *origin, const char *key, size_t key_size,
                                 const char *value, size_t value_size, pl_error *err)
{
    if (origin->n == PL_PROVENANCE_ENTRIES) {
        return PL_OK;
    }
    origin->keys[origin->n] = strndup(key, key_size);
    origin->values[origin->n] = strndup(value, value_size);
    origin->n++;
    return origin->keys[origin->n - 1] != NULL && origin->values[origin->n - 1] != NULL
               ? PL_OK
               : pl_error_memory(err, "a figure's provenance");
}

void pl_origin_deinit(pl_origin *origin)
{
    for (size_t i = 0; i < origin->n; i++) {
        free(origin->keys[i]);
        free(origin->values[i]);
    }
    *origin = (pl_origin){0};
}

const char *pl_origin_value(const pl_origin *origin, const char *key)
{
    for (size_t i = 0; i < origin->n; i++) {
        if (strcmp(origin->keys[i], key) == 0) {
            return origin->values[i];
        }
    }
    return NULL;
}

/* --- PNG -------------------------------------------------------------------------------------- */

static size_t big_endian(const unsigned char *b)
{
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void put_utf8(pl_buf *out, unsigned code)
{
    char bytes[4];
    pl_buf_append(out, bytes, pl_text_utf8_encode(code, bytes));
}

/* Latin-1, where \u{HEX} stands for what Latin-1 lacks (plots/png.c), to UTF-8. */
static void put_latin1(pl_buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned code = (unsigned char)text[i];
        if (size - i > 4 && memcmp(text + i, "\\u{", 3) == 0) {
            unsigned value = 0;
            size_t j = i + 3;
            for (; j < size && hex_digit(text[j]) >= 0 && value < 0x110000; j++) {
                value = value << 4 | (unsigned)hex_digit(text[j]);
            }
            if (j < size && text[j] == '}' && value >= 0x100 && value < 0x110000) {
                put_utf8(out, value);
                i = j;
                continue;
            }
        }
        put_utf8(out, code);
    }
}

static pl_status read_png(const char *path, const char *bytes, size_t size, pl_origin *out,
                          pl_error *err)
{
    pl_status status = PL_OK;
    size_t at = 8;
    while (status == PL_OK && size - at >= 12) {
        size_t length = big_endian((const unsigned char *)bytes + at);
        const char *type = bytes + at + 4;
        const char *data = bytes + at + 8;
        if (length > size - at - 12) {
            return pl_error_set(err, PL_ERR_FORMAT, "%s: the file ends within a PNG chunk", path);
        }
        const char *zero = length > 0 ? memchr(data, '\0', length) : NULL;
        if (memcmp(type, "tEXt", 4) == 0 && zero != NULL) {
            pl_buf value = {0};
            put_latin1(&value, zero + 1, (size_t)(data + length - zero - 1));
            pl_buf_puts(&value, "");
            status = pl_buf_check(&value, err);
            PL_THEN(add_origin_line(out, data, (size_t)(zero - data), value.data, value.size, err));
            pl_buf_deinit(&value);
        }
        at += length + 12;
        if (memcmp(type, "IEND", 4) == 0) {
            break;
        }
    }
    return status;
}

/* --- PDF -------------------------------------------------------------------------------------- */

/* A PDF string, "(...)" or "<FEFF...>", as UTF-8; false where it is neither. */
static bool put_pdf_string(const char *s, const char *end, pl_buf *out)
{
    if (s < end && *s == '(') {
        int depth = 0;
        for (s++; s < end && (depth > 0 || *s != ')'); s++) {
            depth += *s == '(' ? 1 : *s == ')' ? -1 : 0;
            if (*s == '\\' && s + 1 < end) {
                s++;
            }
            pl_buf_append(out, s, 1);
        }
        return s < end;
    }
    if (end - s < 5 || memcmp(s, "<FEFF", 5) != 0) {
        return false;
    }
    unsigned high = 0;
    for (s += 5; end - s >= 4 && hex_digit(*s) >= 0; s += 4) {
        unsigned unit = 0;
        for (int i = 0; i < 4; i++) {
            unit = unit << 4 | (unsigned)(hex_digit(s[i]) & 15);
        }
        if (unit >= 0xd800 && unit < 0xdc00) {
            high = unit;
        } else if (unit >= 0xdc00 && unit < 0xe000) {
            put_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
        } else {
            put_utf8(out, unit);
        }
    }
    return true;
}

/* "Key: value | Key: value": a value ends where the next of our keys begins. */
static pl_status split_keywords(const char *text, pl_origin *out, pl_error *err)
{
    static const char *const next[] = {" | Planish-", " | Software: ", " | Description: "};
    pl_status status = PL_OK;
    while (status == PL_OK && *text != '\0') {
        const char *colon = strstr(text, ": ");
        if (colon == NULL) {
            break;
        }
        const char *stop = NULL;
        for (size_t i = 0; i < sizeof next / sizeof *next; i++) {
            const char *at = strstr(colon + 2, next[i]);
            stop = at != NULL && (stop == NULL || at < stop) ? at : stop;
        }
        size_t length = stop != NULL ? (size_t)(stop - colon - 2) : strlen(colon + 2);
        status = add_origin_line(out, text, (size_t)(colon - text), colon + 2, length, err);
        text = stop != NULL ? stop + 3 : colon + 2 + length;
    }
    return status;
}

static pl_status read_pdf(const char *bytes, size_t size, pl_origin *out, pl_error *err)
{
    static const char name[] = "/Keywords ";
    const char *at = memmem(bytes, size, name, sizeof name - 1);
    if (at == NULL) {
        return PL_OK;
    }
    pl_buf text = {0};
    pl_status status = PL_OK;
    if (put_pdf_string(at + sizeof name - 1, bytes + size, &text)) {
        pl_buf_puts(&text, "");
        status = pl_buf_check(&text, err);
    }
    if (status == PL_OK && text.data != NULL) {
        status = split_keywords(text.data, out, err);
    }
    pl_buf_deinit(&text);
    return status;
}

/* --- SVG and CSV ------------------------------------------------------------------------------ */

/* Lines "Key: value" behind a prefix. */
static pl_status read_key_lines(const char *text, const char *end, const char *prefix,
                                pl_origin *out, pl_error *err)
{
    pl_status status = PL_OK;
    size_t skip = strlen(prefix);
    while (status == PL_OK && text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop != NULL ? stop : end;
        if ((size_t)(stop - text) < skip || memcmp(text, prefix, skip) != 0) {
            break;
        }
        const char *colon = memmem(text, (size_t)(stop - text), ": ", 2);
        if (colon != NULL) {
            status = add_origin_line(out, text + skip, (size_t)(colon - text) - skip, colon + 2,
                                     (size_t)(stop - colon - 2), err);
        }
        text = stop + 1;
    }
    return status;
}

static void put_plain(pl_buf *out, const char *xml, const char *end)
{
    static const struct {
        const char *entity, *text;
    } entities[] = {{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}};
    while (xml < end) {
        size_t i = 0;
        for (; i < 3; i++) {
            size_t length = strlen(entities[i].entity);
            if ((size_t)(end - xml) >= length && memcmp(xml, entities[i].entity, length) == 0) {
                pl_buf_puts(out, entities[i].text);
                xml += length;
                break;
            }
        }
        if (i == 3) {
            pl_buf_append(out, xml, 1);
            xml++;
        }
    }
}

static pl_status read_svg(const char *bytes, size_t size, pl_origin *out, pl_error *err)
{
    const char *from = memmem(bytes, size, "<desc>", 6);
    const char *to =
        from != NULL ? memmem(from, size - (size_t)(from - bytes), "</desc>", 7) : NULL;
    const char *line = to != NULL ? memchr(from, '\n', (size_t)(to - from)) : NULL;
    if (line == NULL) {
        return PL_OK;
    }
    pl_buf text = {0};
    put_plain(&text, line + 1, to);
    pl_buf_puts(&text, "");
    pl_status status = pl_buf_check(&text, err);
    PL_THEN(read_key_lines(text.data, text.data + text.size, "", out, err));
    pl_buf_deinit(&text);
    return status;
}

static bool begins(const char *bytes, size_t size, const char *with)
{
    return size >= strlen(with) && memcmp(bytes, with, strlen(with)) == 0;
}

static bool has_bytes(const char *bytes, size_t size, const char *text)
{
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

/* A document of several pages or an HTML page that Planish wrote: figures have no outline. */
static bool is_report(const char *bytes, size_t size)
{
    return (begins(bytes, size, "%PDF-") && has_bytes(bytes, size, "/Creator (Planish ") &&
            has_bytes(bytes, size, "/Outlines")) ||
           (begins(bytes, size, "<!DOCTYPE html>") &&
            has_bytes(bytes, size, "name=\"generator\" content=\"Planish "));
}

pl_status pl_origin_read(const char *path, pl_origin *out, pl_error *err)
{
    *out = (pl_origin){0};
    char *bytes = NULL;
    size_t size = 0;
    pl_status status = pl_file_read_all(path, FILE_LIMIT, &bytes, &size, err);
    if (status != PL_OK) {
        return status;
    }
    if (is_report(bytes, size)) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: is a report, and `rebuild` makes figures: the commands below "
                              "\"The whole session\" in its appendix make the report again",
                              path);
    } else if (begins(bytes, size, "\x89PNG\r\n\x1a\n")) {
        status = read_png(path, bytes, size, out, err);
    } else if (begins(bytes, size, "%PDF-")) {
        status = read_pdf(bytes, size, out, err);
    } else if (begins(bytes, size, "<?xml") || begins(bytes, size, "<svg")) {
        status = read_svg(bytes, size, out, err);
    } else if (begins(bytes, size, "# ")) {
        status = read_key_lines(bytes, bytes + size, "# ", out, err);
    } else if (begins(bytes, size, "% ")) {
        status = read_key_lines(bytes, bytes + size, "% ", out, err);
    } else {
        status = pl_error_set(
            err, PL_ERR_FORMAT,
            "%s: expected a figure: a PNG, PDF, SVG, CSV or LaTeX file that Planish wrote", path);
    }
    free(bytes);
    if (status == PL_OK && pl_origin_value(out, "Planish-Commands") == NULL) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: holds no Planish-Commands: it was not written by Planish, or "
                              "another program has dropped them",
                              path);
    }
    if (status != PL_OK) {
        pl_origin_deinit(out);
    }
    return status;
}

void pl_provenance_line(const char *value, pl_buf *out)
{
    for (; *value != '\0'; value++) {
        if (*value != '\n') {
            pl_buf_append(out, value, 1);
        } else if (value[1] != '\0') {
            pl_buf_puts(out, "; ");
        }
    }
    pl_buf_puts(out, "");
}
