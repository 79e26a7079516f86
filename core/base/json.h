/* core/base/json.h -- objects and lists made in many steps, of which none is lost unseen.
 *
 * A step fails where memory is out or a text is no UTF-8.  It is counted, and who hands the whole
 * on asks whether any step of it was. */
#ifndef PL_BASE_JSON_H
#define PL_BASE_JSON_H

#include "core/base/error.h"

#include <jansson.h>

/* As json_object_set_new and json_array_append_new: they take the value, which may be NULL (a step
 * that failed), and so may the object or list. */
void pl_json_set(json_t *object, const char *key, json_t *value);
void pl_json_append(json_t *list, json_t *value);

/* Steps of this thread that have failed so far. */
unsigned pl_json_failures(void);

/* PL_ERR_MEMORY if one failed since pl_json_failures() was `before`. */
PL_NODISCARD pl_status pl_json_check(unsigned before, pl_error *err);

#endif
