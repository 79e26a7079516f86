/* core/base/utf8.h -- UTF-8, and text from files made safe to show.
 *
 * Text that comes from a model file (tensor names, tokens, metadata) is never trusted: before it
 * is shown or reported, pl_text_escape turns control characters into \n, \t, \xNN and invalid
 * UTF-8 bytes into \xNN. */
#ifndef PL_BASE_UTF8_H
#define PL_BASE_UTF8_H

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

#endif
