/* core/base/text.h -- growing strings, and what names have in them. */
#ifndef PL_BASE_TEXT_H
#define PL_BASE_TEXT_H

#include "core/base/error.h"
#include "core/base/utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands behind the last dot of a name, "q_proj" of "self_attn.q_proj"; without one all of it.
 */
const char *pl_text_last_part(const char *name);

/* Whether text ends in `ending`; the second one takes upper and lower ASCII letters as the same. */
bool pl_text_ends(const char *text, const char *ending);
bool pl_text_ends_nocase(const char *text, const char *ending);

/* Whether two texts are the same; NULL is the same as NULL alone. */
bool pl_text_same(const char *a, const char *b);

/* fnmatch-style glob over a whole name: '*' any run, '?' one byte, [set]. '.' is not special. */
bool pl_text_glob(const char *pattern, const char *name);

/* Edits between two names (Levenshtein), to find what was meant; SIZE_MAX if b has 128 bytes or
 * more. */
size_t pl_text_distance(const char *a, const char *b);

/* A growing byte string; {0} is a valid empty one.  data is NUL-terminated once anything has been
 * appended.  After a failed allocation `failed` is set and every later append does nothing, so a
 * builder is checked once, at the end. */
typedef struct pl_buf {
    char *data;
    size_t size;
    size_t capacity;
    bool failed;
} pl_buf;

void pl_buf_append(pl_buf *buf, const void *bytes, size_t size);
void pl_buf_puts(pl_buf *buf, const char *text);
void pl_buf_printf(pl_buf *buf, const char *format, ...) PL_PRINTF(2, 3);
/* Appends the text as one word of a command line: as it is, or in '...' where it is empty or holds
 * one of the special bytes.  An apostrophe is quoted by itself, in "...": it's is 'it'"'"'s'. */
void pl_text_quote(const char *text, const char *special, pl_buf *out);
void pl_buf_deinit(pl_buf *buf);

/* PL_ERR_MEMORY if an append failed. */
PL_NODISCARD pl_status pl_buf_check(const pl_buf *buf, pl_error *err);

#endif
