/* views/text.h -- UTF-8 text measured in terminal columns.
 *
 * Widths are wcwidth's of the present LC_CTYPE, the same that ncurses uses.  Strings are UTF-8
 * without control characters (core/base/text.h removes them); a remaining one counts one column. */
#ifndef PL_VIEWS_TEXT_H
#define PL_VIEWS_TEXT_H

#include "core/base/number.h"

#include <stddef.h>
#include <stdint.h>

/* The next code point, *s moved behind it; U+FFFD for an invalid byte; 0 at the end. */
uint32_t pl_text_next(const char **s);

/* 0 (combining), 1 or 2; 1 if it cannot be shown. */
int pl_char_width(uint32_t code);

size_t pl_text_width(const char *utf8);

/* Bytes of the longest beginning of utf8 that fits columns. */
size_t pl_text_fit(const char *utf8, size_t columns);

/* Bytes of utf8's first line when it is broken at blanks into lines of so many columns, and in
 * *next where the second line starts (the text's end if there is none).  A word that is longer
 * than a line is broken within; 0 only if not even one character fits. */
size_t pl_text_wrap(const char *utf8, size_t columns, size_t *next);

/* Bytes of the longest beginning that fits columns and ends a phrase: all of it, or up to a comma,
 * a bracket, "of", "in", "per" ...; 0 if there is none. */
size_t pl_text_phrase(const char *utf8, size_t columns);

/* Plain ASCII for terminals without UTF-8: a real minus, a times sign, arrows and powers of ten
 * become -, x, -> and 1e-3, everything else '?'.  out is always terminated. */
void pl_text_to_ascii(const char *utf8, char *out, size_t capacity);

#endif
