/* The split patterns of most models on ASCII text, without regular expressions: the same matches,
 * in a twentieth of the time.  They give no answer where a byte beyond ASCII matters. */
#include "core/model/tokenizer_parts.h"

#include <string.h>

#define MODERN(digits)                                                                             \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                           \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct {
    const char *pattern;
    pl_quick quick;
} quicks[] = {
    {PL_PATTERN_GPT2, {.known = true}},
    {MODERN("\\p{N}{1,3}"), {.known = true, .modern = true, .digits = 3}}, /* Llama 3 */
    {MODERN("\\p{N}"), {.known = true, .modern = true, .digits = 1}},      /* Qwen 2 */
};

pl_quick pl_quick_find(const char *pattern)
{
    for (size_t i = 0; i < sizeof quicks / sizeof quicks[0]; i++) {
        if (strcmp(pattern, quicks[i].pattern) == 0) {
            return quicks[i].quick;
        }
    }
    return (pl_quick){0};
}

typedef enum ascii { END, LETTER, DIGIT, SPACE, OTHER, BEYOND } ascii;

static ascii class_of(const char *text, size_t size, size_t at)
{
    if (at >= size) {
        return END;
    }
    const unsigned c = (unsigned char)text[at];
    const unsigned lower = c | 0x20;
    return c >= 0x80                              ? BEYOND
           : lower >= 'a' && lower <= 'z'         ? LETTER
           : c >= '0' && c <= '9'                 ? DIGIT
           : c == ' ' || (c >= '\t' && c <= '\r') ? SPACE
                                                  : OTHER;
}

static bool is_newline(char c)
{
    return c == '\r' || c == '\n';
}

/* End of the run of a class from `at` (where it may be empty); 0 if what follows is not ASCII. */
static size_t run_of(ascii class, const char *text, size_t size, size_t at)
{
    while (class_of(text, size, at) == class) {
        at++;
    }
    return class_of(text, size, at) == BEYOND ? 0 : at;
}

/* Bytes of 's, 't, 're, 've, 'm, 'll or 'd, 0 if there is none of them. */
static size_t contraction(const pl_quick *q, const char *text, size_t size, size_t at)
{
    char next[2] = {0};
    for (size_t i = 0; i < 2 && at + 1 + i < size; i++) {
        const char c = text[at + 1 + i];
        next[i] = q->modern && c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    const bool two = (next[0] == 'r' && next[1] == 'e') || (next[0] == 'v' && next[1] == 'e') ||
                     (next[0] == 'l' && next[1] == 'l');
    return two ? 3 : next[0] != '\0' && strchr("stmd", next[0]) != NULL ? 2 : 0;
}

/* Blanks: with GPT-2 all but the one before the next word; the modern ones end at a line's end. */
static size_t blanks(const pl_quick *q, const char *text, size_t size, size_t at)
{
    const size_t end = run_of(SPACE, text, size, at);
    for (size_t last = end; q->modern && last > at; last--) {
        if (is_newline(text[last - 1])) {
            return last;
        }
    }
    return end == 0 || end == size || end - at == 1 ? end : end - 1;
}

size_t pl_quick_match(const pl_quick *q, const char *text, size_t size, size_t at)
{
    const ascii first = class_of(text, size, at);
    const bool blank = text[at] == ' ';
    const ascii next = class_of(text, size, at + 1);
    if (first == BEYOND || ((blank || first == OTHER || first == SPACE) && next == BEYOND)) {
        return 0;
    }
    const size_t short_form = text[at] == '\'' ? contraction(q, text, size, at) : 0;
    if (short_form > 0) {
        return at + short_form;
    }
    const bool glued =
        q->modern ? first == OTHER || (first == SPACE && !is_newline(text[at])) : blank;
    if (first == LETTER || (glued && next == LETTER)) {
        return run_of(LETTER, text, size, at + (first != LETTER));
    }
    if (q->modern && first == DIGIT) {
        size_t end = at;
        while (end - at < q->digits && class_of(text, size, end) == DIGIT) {
            end++;
        }
        return end - at < q->digits && class_of(text, size, end) == BEYOND ? 0 : end;
    }
    if (first == DIGIT || (!q->modern && blank && next == DIGIT)) {
        return run_of(DIGIT, text, size, at + blank);
    }
    if (first == OTHER || (blank && next == OTHER)) {
        size_t end = run_of(OTHER, text, size, at + blank);
        while (q->modern && end > 0 && end < size && is_newline(text[end])) {
            end++;
        }
        return end;
    }
    return blanks(q, text, size, at);
}
