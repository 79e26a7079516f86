/* core/base/json.h -- objects and lists made in many steps, of which none is lost unseen: one that
 * fails, for lack of memory or over a text that is no UTF-8, is counted (core/base/memory.h). */
#ifndef PL_BASE_JSON_H
#define PL_BASE_JSON_H

#include "core/base/memory.h"

#include <jansson.h>
#include <stdbool.h>

/* Before the first use of jansson: what it cannot reserve is counted, too, and comes out of a
 * reserve, since jansson 2.14 leaks and crashes where a parse runs out of memory. */
void pl_json_start(void);

/* As json_dumps, whose text would be jansson's to free: this one is free()'s.  NULL, and counted,
 * without memory or for a value that JSON cannot hold; NULL alone for NULL. */
char *pl_json_text(const json_t *json, size_t flags);

/* A finite number, else null. */
json_t *pl_json_number(double value);
/* The number of that name, NaN where there is none. */
double pl_json_number_of(const json_t *object, const char *name);
/* The text of that name, "" where there is none; borrowed. */
const char *pl_json_text_of(const json_t *object, const char *name);
/* Whether there is a text of that name, and it is this one. */
bool pl_json_text_is(const json_t *object, const char *name, const char *text);

/* As json_object_set_new and json_array_append_new: they take the value, which may be NULL (a step
 * that failed), and so may the object or list. */
void pl_json_set(json_t *object, const char *key, json_t *value);
void pl_json_append(json_t *list, json_t *value);

#endif
