#include "core/study/task_items.h"

#include "core/base/python.h"

#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

static size_t step_of(const char *at, const char *end, uint32_t *code)
{
    const size_t n = pl_text_utf8_decode(at, end, code);
    return n > 0 ? n : 1;
}

/* \w */
static bool is_python_word(uint32_t c)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return c == '_' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
           (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

size_t pl_python_rstripped(const char *text)
{
    const char *end = text + strlen(text);
    size_t kept = 0;
    for (const char *at = text; at < end;) {
        uint32_t code = 0;
        at += step_of(at, end, &code);
        kept = pl_python_is_space(code) ? kept : (size_t)(at - text);
    }
    return kept;
}

void pl_python_strip(const char *text, pl_buf *out)
{
    const char *end = text + pl_python_rstripped(text);
    uint32_t code = 0;
    size_t n = 0;
    while (text < end && (n = step_of(text, end, &code)) > 0 && pl_python_is_space(code)) {
        text += n;
    }
    pl_buf_append(out, text, (size_t)(end - text));
}

size_t pl_python_length(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

void pl_python_lower(const char *text, bool capitalize, pl_buf *out)
{
    const char *end = text + strlen(text);
    for (const char *at = text; at < end;) {
        char bytes[4];
        uint32_t code = 0;
        const bool first = capitalize && at == text;
        const size_t n = step_of(at, end, &code);
        const utf8proc_int32_t to = first ? utf8proc_totitle((utf8proc_int32_t)code)
                                          : utf8proc_tolower((utf8proc_int32_t)code);
        pl_buf_append(out, bytes, pl_text_utf8_encode((uint32_t)to, bytes));
        at += n;
    }
}

/* Each `from` becomes `to`, from the left, in one pass. */
static void replace_each(const char *text, const char *from, const char *to, pl_buf *out)
{
    for (const char *hit; (hit = strstr(text, from)) != NULL; text = hit + strlen(from)) {
        pl_buf_append(out, text, (size_t)(hit - text));
        pl_buf_puts(out, to);
    }
    pl_buf_puts(out, text);
}

/* Without each \[.*?\], whose dot is no line's end. */
static void delete_brackets(const char *text, pl_buf *out)
{
    while (*text != '\0') {
        const size_t inside = *text == '[' ? strcspn(text + 1, "]\n") : 0;
        if (*text == '[' && text[1 + inside] == ']') {
            text += inside + 2;
        } else {
            pl_buf_append(out, text++, 1);
        }
    }
}

static const char *buf_text(const pl_buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

void pl_hellaswag_clean(const char *text, pl_buf *out)
{
    pl_buf stripped = {0}, titled = {0}, plain = {0};
    pl_python_strip(text, &stripped);
    replace_each(buf_text(&stripped), " [title]", ". ", &titled);
    delete_brackets(buf_text(&titled), &plain);
    replace_each(buf_text(&plain), "  ", " ", out);
    out->failed = out->failed || stripped.failed || titled.failed || plain.failed;
    pl_buf_deinit(&stripped);
    pl_buf_deinit(&titled);
    pl_buf_deinit(&plain);
}

/* Bytes of the one of "The |the |" that text begins with, 0. */
static size_t word_at(const char *text, const char *words)
{
    while (*words != '\0') {
        const size_t n = strcspn(words, "|");
        if (strncmp(text, words, n) == 0) {
            return n;
        }
        words += n + (words[n] == '|');
    }
    return 0;
}

static void delete_words(const char *text, const char *words, pl_buf *out)
{
    const char *end = text + strlen(text);
    uint32_t code = ' ';
    while (text < end) {
        const size_t hit = is_python_word(code) ? 0 : word_at(text, words);
        const size_t n = hit > 0 ? hit : step_of(text, end, &code);
        if (hit == 0) {
            pl_buf_append(out, text, n);
        } else {
            code = ' '; /* each word ends in one */
        }
        text += n;
    }
}

void pl_exact_form(const char *text, const char *regex_words, pl_buf *out)
{
    pl_buf without = {0}, low = {0};
    if (regex_words != NULL) {
        delete_words(text, regex_words, &without);
        text = buf_text(&without);
    }
    pl_python_lower(text, false, &low);
    for (const char *at = buf_text(&low); *at != '\0'; at++) {
        if (!ispunct((unsigned char)*at)) { /* string.punctuation: ASCII's */
            pl_buf_append(out, at, 1);
        }
    }
    out->failed = out->failed || without.failed || low.failed;
    pl_buf_deinit(&without);
    pl_buf_deinit(&low);
}
