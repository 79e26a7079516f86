/* A template cut into texts and tags, and tags into tokens, removing white space around tags as
 * Jinja does with trim_blocks and lstrip_blocks. */
#include "core/model/template_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_tpl_refuse(pl_tpl_reader *r, size_t line, pl_status code, const char *format, ...)
{
    if (r->status != PL_OK) {
        return;
    }
    char text[PL_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pl_text_trim_utf8(text);
    r->status = pl_error_set(r->err, code, "the chat template, line %zu: %s", line, text);
}

static bool starts(const pl_tpl_reader *r, size_t at, const char *word)
{
    const size_t size = strlen(word);
    return r->size - at >= size && memcmp(r->text + at, word, size) == 0;
}

/* Moves on to `at`, counting lines. */
static void read_up_to(pl_tpl_reader *r, size_t at)
{
    for (; r->at < at; r->at++) {
        r->line += r->text[r->at] == '\n';
    }
}

/* Passes the end of a tag or comment that begins at `at` and has `size` bytes without its sign. */
static void pass_end(pl_tpl_reader *r, size_t size, bool trims)
{
    const char sign = r->text[r->at];
    const bool signed_end = sign == '-' || sign == '+';
    size_t at = r->at + size + signed_end;
    if (sign == '-') {
        at += pl_tpl_spaces_before(r->text + at, r->size - at);
    } else if (trims && sign != '+' && at < r->size && r->text[at] == '\n') {
        at++;
    }
    read_up_to(r, at);
    r->line_starts = r->text[at - 1] == '\n';
}

/* What of the text before a tag stays. */
static size_t kept_before(const pl_tpl_reader *r, const char *text, size_t size, char sign,
                          bool strips)
{
    if (sign == '-') {
        return size - pl_tpl_spaces_behind(text, size);
    }
    const char *line = memrchr(text, '\n', size);
    const size_t begin = line != NULL ? (size_t)(line - text) + 1 : 0;
    if (strips && sign != '+' && (begin > 0 || r->line_starts) &&
        pl_tpl_spaces_before(text + begin, size - begin) == size - begin) {
        return begin;
    }
    return size;
}

static void pass_comment(pl_tpl_reader *r)
{
    const size_t line = r->line;
    size_t at = r->at;
    while (at < r->size && !starts(r, at, "#}")) {
        at++;
    }
    if (at >= r->size) {
        pl_tpl_refuse(r, line, PL_ERR_FORMAT, "the comment {# has no end #}");
        return;
    }
    const bool sign = at > r->at && (r->text[at - 1] == '-' || r->text[at - 1] == '+');
    read_up_to(r, at - sign);
    pass_end(r, 2, true);
}

pl_tpl_piece pl_tpl_next_piece(pl_tpl_reader *r, pl_tpl_text *text)
{
    while (r->status == PL_OK && r->at < r->size) {
        const size_t from = r->at;
        size_t at = from;
        while (at < r->size && !(r->text[at] == '{' && at + 1 < r->size &&
                                 strchr("{%#", r->text[at + 1]) != NULL && r->text[at + 1] != 0)) {
            at++;
        }
        const char kind = at < r->size ? r->text[at + 1] : '\0';
        const char after = at + 2 < r->size ? r->text[at + 2] : '\0';
        const char sign = kind != '\0' && (after == '-' || after == '+') ? after : '\0';
        const size_t kept =
            kind == '\0' ? at - from : kept_before(r, r->text + from, at - from, sign, kind != '{');
        if (kept > 0 && r->inside == PL_PIECE_END) {
            /* The text first: the tag is looked at once more, with what is before it passed. */
            *text = (pl_tpl_text){r->text + from, kept};
            read_up_to(r, at);
            r->inside = PL_PIECE_TEXT;
            return PL_PIECE_TEXT;
        }
        r->inside = PL_PIECE_END;
        r->line_starts = false;
        read_up_to(r, at + (kind == '\0' ? 0 : 2) + (sign != '\0'));
        if (kind == '#') {
            pass_comment(r);
        } else if (kind != '\0') {
            r->inside = kind == '{' ? PL_PIECE_OUTPUT : PL_PIECE_TAG;
            r->brackets = 0;
            pl_tpl_next_token(r);
            return kind == '{' ? PL_PIECE_OUTPUT : PL_PIECE_TAG;
        }
    }
    return PL_PIECE_END;
}

/* ---- Tokens ---- */

/* The byte or character that an escape of `digits` digits in `base` means. */
static size_t read_code(const char *text, size_t size, size_t digits, int base, uint32_t *out)
{
    char copy[9] = {0};
    size_t n = 0;
    while (n < digits && n < size && n < 8) {
        copy[n] = text[n];
        n++;
    }
    char *end = copy;
    *out = (uint32_t)strtoul(copy, &end, base);
    n = copy[0] == '-' || copy[0] == '+' || copy[0] == ' ' ? 0 : (size_t)(end - copy);
    return base == 8 || n == digits ? n : 0;
}

/* One escape behind its backslash, appended; returns its bytes, 0 where it is none of Python's. */
static size_t read_escape(const char *text, size_t size, pl_buf *out)
{
    static const char plain[] = "n\nt\tr\r\\\\''\"\"a\ab\bf\fv\v";
    for (size_t i = 0; i + 1 < sizeof plain; i += 2) {
        if (text[0] == plain[i]) {
            pl_buf_append(out, &plain[i + 1], 1);
            return 1;
        }
    }
    if (text[0] == '\n') {
        return 1;
    }
    uint32_t code = 0;
    size_t used = 0;
    if (text[0] >= '0' && text[0] <= '7') {
        used = read_code(text, size, 3, 8, &code);
    } else if (text[0] == 'x' || text[0] == 'u' || text[0] == 'U') {
        const size_t digits = text[0] == 'x' ? 2 : text[0] == 'u' ? 4 : 8;
        used = read_code(text + 1, size - 1, digits, 16, &code);
        used += used > 0;
    }
    if (used > 0 && code < 0x110000 && (code < 0xd800 || code > 0xdfff)) {
        char bytes[4];
        pl_buf_append(out, bytes, pl_text_utf8_encode(code, bytes));
        return used;
    }
    return 0;
}

static void read_string(pl_tpl_reader *r)
{
    const char quote = r->text[r->at];
    const size_t from = r->at + 1;
    size_t at = from;
    pl_buf meant = {0};
    while (at < r->size && r->text[at] != quote) {
        size_t used = 0;
        if (r->text[at] == '\\' && at + 1 < r->size) {
            at++;
            used = read_escape(r->text + at, r->size - at, &meant);
            if (used == 0) { /* Python leaves an escape that it does not know */
                pl_buf_append(&meant, "\\", 1);
            }
            if (used == 0 && strchr("NxuU", r->text[at]) != NULL) {
                pl_tpl_refuse(r, r->line, PL_ERR_UNSUPPORTED, "the escape \\%c in a text",
                              r->text[at]);
            }
        }
        if (used == 0) {
            pl_buf_append(&meant, r->text + at, 1);
            used = 1;
        }
        at += used;
    }
    if (at >= r->size) {
        pl_tpl_refuse(r, r->line, PL_ERR_FORMAT, "a text has no end %c", quote);
    }
    char *kept = pl_tpl_room_take(r->room, meant.size + 1, 1);
    if (kept != NULL && meant.size > 0) {
        memcpy(kept, meant.data, meant.size);
    }
    r->room->failed = r->room->failed || meant.failed;
    r->token.kind = PL_TOKEN_STRING;
    r->token.text = (pl_tpl_text){kept != NULL ? kept : "", kept != NULL ? meant.size : 0};
    pl_buf_deinit(&meant);
    read_up_to(r, at < r->size ? at + 1 : at);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static void read_number(pl_tpl_reader *r)
{
    char digits[64] = {0};
    size_t n = 0, at = r->at;
    bool real = false;
    while (at < r->size && n + 1 < sizeof digits) {
        const char c = r->text[at];
        const bool point = c == '.' && at + 1 < r->size && is_digit(r->text[at + 1]) && !real;
        const bool power =
            (c == 'e' || c == 'E') && at + 1 < r->size &&
            (is_digit(r->text[at + 1]) || (strchr("+-", r->text[at + 1]) != NULL &&
                                           at + 2 < r->size && is_digit(r->text[at + 2])));
        const bool sign = (c == '+' || c == '-') && n > 0 && strchr("eE", digits[n - 1]) != NULL;
        real = real || point || power;
        if (!is_digit(c) && c != '_' && !point && !power && !sign) {
            break;
        }
        if (c != '_') {
            digits[n++] = c;
        }
        at++;
    }
    errno = 0;
    r->token.kind = real ? PL_TOKEN_REAL : PL_TOKEN_INT;
    r->token.whole = real ? 0 : strtoll(digits, NULL, 10);
    r->token.real = strtod(digits, NULL);
    if (errno != 0 || n + 1 == sizeof digits || (at < r->size && begins_name(r->text[at]))) {
        pl_tpl_refuse(r, r->line, PL_ERR_UNSUPPORTED, "the number %s", digits);
    }
    read_up_to(r, at);
}

/* Whether the tag ends here; brackets hold it open, as a dictionary in an expression does. */
static bool read_end(pl_tpl_reader *r)
{
    const char *end = r->inside == PL_PIECE_OUTPUT ? "}}" : "%}";
    const char sign = r->text[r->at];
    const bool signed_end = sign == '-' || (sign == '+' && r->inside == PL_PIECE_TAG);
    if (r->brackets > 0 || !starts(r, r->at + signed_end, end)) {
        return false;
    }
    pass_end(r, 2, r->inside == PL_PIECE_TAG);
    r->inside = PL_PIECE_END;
    r->token.kind = PL_TOKEN_END;
    return true;
}

static void read_sign(pl_tpl_reader *r)
{
    static const char *const signs[] = {"==", "!=", "<=", ">=", "//", "**"};
    size_t size = 1;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size = starts(r, r->at, signs[i]) ? 2 : size;
    }
    const char c = r->text[r->at];
    if (size == 1 && strchr("+-*/%~<>=()[]{}.,:|", c) == NULL) {
        char shown[8];
        const size_t bytes = pl_text_utf8_length(r->text + r->at, r->text + r->size);
        pl_text_escape(r->text + r->at, bytes, shown, sizeof shown);
        pl_tpl_refuse(r, r->line, PL_ERR_FORMAT, "unexpected '%s'", shown);
    }
    r->brackets += strchr("([{", c) != NULL;
    r->brackets -= strchr(")]}", c) != NULL && r->brackets > 0;
    r->token.kind = PL_TOKEN_SIGN;
    r->token.text = (pl_tpl_text){r->text + r->at, size};
    read_up_to(r, r->at + size);
}

void pl_tpl_next_token(pl_tpl_reader *r)
{
    read_up_to(r, r->at + pl_tpl_spaces_before(r->text + r->at, r->size - r->at));
    r->token = (pl_tpl_token){.line = r->line};
    if (r->status != PL_OK) {
        return;
    }
    if (r->at >= r->size) {
        pl_tpl_refuse(r, r->line, PL_ERR_FORMAT, "the template ends within a tag");
        return;
    }
    const char c = r->text[r->at];
    if (read_end(r)) {
        return;
    }
    if (c == '\'' || c == '"') {
        read_string(r);
    } else if (is_digit(c)) {
        read_number(r);
    } else if (begins_name(c)) {
        size_t at = r->at;
        while (at < r->size && (begins_name(r->text[at]) || is_digit(r->text[at]))) {
            at++;
        }
        r->token.kind = PL_TOKEN_NAME;
        r->token.text = (pl_tpl_text){r->text + r->at, at - r->at};
        read_up_to(r, at);
    } else {
        read_sign(r);
    }
}
