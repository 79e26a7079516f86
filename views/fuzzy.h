/* views/fuzzy.h -- how well a few typed letters fit a line of the palette. */
#ifndef PL_VIEWS_FUZZY_H
#define PL_VIEWS_FUZZY_H

#include <stdbool.h>
#include <stdint.h>

enum { PL_FUZZY_BYTES = 64 };

/* The letters of `typed` (blanks aside, either case) must come in `text` in this order; false if
 * they do not.  *score grows with letters at the start of words and with runs, and falls with what
 * is skipped and with the length of text.  *hits: bit i is set where byte i of text is one of the
 * letters (the first 64 bytes are searched). */
bool pl_fuzzy_match(const char *typed, const char *text, int *score, uint64_t *hits);

#endif
