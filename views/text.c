#include "views/text.h"

#include "core/base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

uint32_t pl_text_next(const char **s)
{
    uint32_t code = 0;
    if (**s == '\0') {
        return 0;
    }
    size_t length = pl_text_utf8_decode(*s, *s + strnlen(*s, 4), &code);
    *s += length > 0 ? length : 1;
    return length > 0 ? code : 0xfffd;
}

int pl_char_width(uint32_t code)
{
    if (code < 0x7f) {
        return 1;
    }
    int width = wcwidth((wchar_t)code);
    return width < 0 || width > 2 ? 1 : width;
}

size_t pl_text_width(const char *utf8)
{
    size_t width = 0;
    for (uint32_t code = 0; (code = pl_text_next(&utf8)) != 0;) {
        width += (size_t)pl_char_width(code);
    }
    return width;
}

size_t pl_text_fit(const char *utf8, size_t columns)
{
    const char *end = utf8;
    size_t width = 0;
    for (const char *s = utf8; *s != '\0'; end = s) {
        width += (size_t)pl_char_width(pl_text_next(&s));
        if (width > columns) {
            break;
        }
    }
    return (size_t)(end - utf8);
}

size_t pl_text_wrap(const char *utf8, size_t columns, size_t *next)
{
    size_t fit = pl_text_fit(utf8, columns);
    size_t cut = fit;
    /* "12 %" stays together */
    while (utf8[fit] != '\0' && cut > 0 && (utf8[cut] != ' ' || utf8[cut + 1] == '%')) {
        cut--;
    }
    cut = cut > 0 ? cut : fit;
    *next = cut + strspn(utf8 + cut, " ");
    return cut;
}

size_t pl_text_phrase(const char *utf8, size_t columns)
{
    static const char *const ends[] = {", ", " (", " of ", " in ", " per ", " at ", " / ", ": "};
    const size_t fits = pl_text_fit(utf8, columns);
    size_t best = utf8[fits] == '\0' ? fits : 0;
    for (size_t i = 1; i <= fits && best < fits; i++) {
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
            best = strncmp(utf8 + i, ends[e], strlen(ends[e])) == 0 ? i : best;
        }
        if (i == fits) {
            break;
        }
    }
    static const char units[] = ", in units"; /* without what they are of, it says nothing */
    const size_t length = sizeof units - 1;
    const bool bare =
        best > length && best < strlen(utf8) && strncmp(utf8 + best - length, units, length) == 0;
    return bare ? best - length : best;
}

static const struct {
    uint32_t code;
    const char *ascii;
} replacements[] = {
    {0x2212, "-"},   {0x2013, "-"},     {0x2014, "-"},  {0xd7, "x"},      {0xb7, "."},
    {0x2026, "..."}, {0x2192, "->"},    {0x2190, "<-"}, {0x2191, "^"},    {0x2193, "v"},
    {0x2264, "<="},  {0x2265, ">="},    {0x207d, "("},  {0x207e, ")"},    {0x1d4f, "k"},
    {0x2080, "0"},   {0x221e, "inf"},   {0xb1, "+-"},   {0x201c, "\""},   {0x201d, "\""},
    {0x2016, "||"},  {0x2009, " "},     {0x202f, " "},  {0xa0, " "},      {0x2098, "m"},
    {0x2090, "a"},   {0x2093, "x"},     {0x2022, "*"},  {0x3b1, "alpha"}, {0x3b2, "beta"},
    {0x3b5, "eps"},  {0x3bb, "lambda"},
};

/* The digit or sign that a superscript stands for, 0 if it is none. */
static char superscript(uint32_t code)
{
    if (code == 0xb2 || code == 0xb3) {
        return (char)('0' + (int)(code - 0xb0));
    }
    if (code == 0xb9) {
        return '1';
    }
    if (code == 0x2070 || (code >= 0x2074 && code <= 0x2079)) {
        return (char)('0' + (int)(code - 0x2070));
    }
    return code == 0x207b ? '-' : '\0';
}

void pl_text_to_ascii(const char *utf8, char *out, size_t capacity)
{
    if (capacity == 0) {
        return;
    }
    size_t n = 0;
    bool raised = false;
    for (uint32_t code = 0; (code = pl_text_next(&utf8)) != 0;) {
        char one[2] = {(char)(code < 0x7f ? code : '?'), '\0'};
        const char *piece = one;
        for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
            piece = replacements[i].code == code ? replacements[i].ascii : piece;
        }
        char digit = superscript(code);
        if (digit != '\0') {
            /* "10" and a superscript: 1e... */
            if (!raised && n >= 2 && out[n - 1] == '0' && out[n - 2] == '1') {
                out[n - 1] = 'e';
            }
            one[0] = digit;
        }
        raised = digit != '\0';
        size_t length = strlen(piece);
        if (n + length >= capacity) {
            break;
        }
        memcpy(out + n, piece, length);
        n += length;
    }
    out[n] = '\0';
}
