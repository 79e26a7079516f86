#include "views/fuzzy.h"

#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

enum { WORD_START = 16, TEXT_START = 8, IN_A_ROW = 12, SKIPPED = -1, NEVER = INT_MIN / 2 };

static char lower(char c)
{
    return (char)tolower((unsigned char)c);
}

static bool starts_word(const char *text, size_t i)
{
    return i == 0 || !isalnum((unsigned char)text[i - 1]);
}

static int place_of_letter(const char *text, size_t i)
{
    return 1 + (starts_word(text, i) ? WORD_START : 0) + (i == 0 ? TEXT_START : 0);
}

/* Best sums over all ways to place the letters: row by row, a letter each. */
bool pl_fuzzy_match(const char *typed, const char *text, int *score, uint64_t *hits)
{
    char letters[PL_FUZZY_BYTES];
    size_t n = 0;
    for (const char *s = typed; *s != '\0' && n < PL_FUZZY_BYTES; s++) {
        if (*s != ' ') {
            letters[n++] = lower(*s);
        }
    }
    size_t length = strnlen(text, PL_FUZZY_BYTES);
    *hits = 0;
    *score = 0;
    if (n == 0) {
        return true;
    }
    int best[PL_FUZZY_BYTES];                         /* of the letter before, ending there */
    signed char from[PL_FUZZY_BYTES][PL_FUZZY_BYTES]; /* where the letter before was */
    for (size_t k = 0; k < n; k++) {
        int now[PL_FUZZY_BYTES];
        for (size_t i = 0; i < length; i++) {
            now[i] = NEVER;
            from[k][i] = -1;
            if (lower(text[i]) != letters[k]) {
                continue;
            }
            if (k == 0) {
                now[i] = place_of_letter(text, i);
            }
            for (size_t j = 0; k > 0 && j < i; j++) {
                int gap = (int)(i - j - 1);
                int sum = best[j] + (gap == 0 ? IN_A_ROW : SKIPPED * (gap < 8 ? gap : 8));
                if (best[j] > NEVER && sum + place_of_letter(text, i) > now[i]) {
                    now[i] = sum + place_of_letter(text, i);
                    from[k][i] = (signed char)j;
                }
            }
        }
        memcpy(best, now, length * sizeof *best);
    }
    int end = -1;
    for (size_t i = 0; i < length; i++) {
        if (best[i] > NEVER && (end < 0 || best[i] > best[end])) {
            end = (int)i;
        }
    }
    if (end < 0) {
        return false;
    }
    *score = 4 * best[end] - (int)length;
    for (size_t k = n; k-- > 0 && end >= 0; end = from[k][end]) {
        *hits |= UINT64_C(1) << end;
    }
    return true;
}
