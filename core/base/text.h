/* core/base/text.h -- growing strings, and text from files made safe to show.
 *
 * Text that comes from a model file (tensor names, tokens, metadata) is never trusted: before it
 * is shown or reported, pl_text_escape turns control characters into \n, \t, \xNN and invalid
 * UTF-8 bytes into \xNN. */
#ifndef PL_BASE_TEXT_H
#define PL_BASE_TEXT_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Escapes size bytes of raw into out (capacity bytes, always terminated when capacity > 0, never
 * cut inside an escape or a UTF-8 sequence).  C0 and C1 controls, DEL, bidirectional overrides
 * (U+202A..U+202E, U+2066..U+2069) and invalid bytes are escaped.  A backslash stays as it is.
 * Returns the length the whole escaped text would have. */
size_t pl_text_escape(const char *raw, size_t size, char *out, size_t capacity);

/* Cuts an unfinished UTF-8 sequence off the end of text, in place. */
void pl_text_trim_utf8(char *text);

/* Bytes of the valid UTF-8 sequence that starts at s (1..4), 0 if it is invalid or cut at end. */
size_t pl_text_utf8_length(const char *s, const char *end);

/* The same, and in *code the code point that it stands for; UINT32_MAX where 0 is returned. */
size_t pl_text_utf8_decode(const char *s, const char *end, uint32_t *code);

/* The UTF-8 sequence of a code point below U+110000, to out; returns its bytes (1..4). */
size_t pl_text_utf8_encode(uint32_t code, char *out);

/* What stands behind the last dot of a name, "q_proj" of "self_attn.q_proj"; without one all of it.
 */
const char *pl_text_last_part(const char *name);

/* Whether text ends in `ending`; the second one takes upper and lower ASCII letters as the same. */
bool pl_text_ends(const char *text, const char *ending);
bool pl_text_ends_nocase(const char *text, const char *ending);

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
/* The text as one word of a command line, appended: '...' where it is empty or holds one of the
 * special bytes, but for apostrophes, which stand in "..." beside it: 'it'"'"'s' is it's. */
void pl_text_quote(const char *text, const char *special, pl_buf *out);
void pl_buf_deinit(pl_buf *buf);

/* PL_ERR_MEMORY if an append failed. */
PL_NODISCARD pl_status pl_buf_check(const pl_buf *buf, pl_error *err);

#endif
