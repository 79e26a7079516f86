/* core/io/json.h -- JSON as Python's json module writes and reads it.
 *
 * config.json and its like come from Python, which knows NaN, Infinity and -Infinity, keeps the
 * last of two equal keys, and has integers of any length. */
#ifndef PL_IO_JSON_H
#define PL_IO_JSON_H

#include "core/base/error.h"

#include <jansson.h>
#include <stddef.h>

/* NULL with *why where even Python refuses it, or without memory.  A constant becomes a string of
 * its own, so that whoever wants a number there refuses it; an integer of 19 digits or more becomes
 * a real.  Caller decrefs. */
json_t *pl_json_load(const char *text, size_t size, json_error_t *why);

/* The text of what pl_json_load gave, constants as they were, indented by two.  Caller frees; NULL
 * without memory. */
char *pl_json_dump(const json_t *json);

#endif
