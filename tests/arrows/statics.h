/* tests/arrows/statics.h -- which names of static functions a search finds in many files. */
#ifndef PL_TESTS_STATICS_H
#define PL_TESTS_STATICS_H

#include "core/base/text.h"

typedef struct pl_statics pl_statics;

pl_statics *pl_statics_create(void); /* NULL without memory */
void pl_statics_destroy(pl_statics *statics);

/* Takes a file in.  path: from the root; text: its content, formatted by clang-format. */
void pl_statics_add(pl_statics *statics, const char *path, const char *text);

/* Appends a line for each name that three files or more give a static function; returns their
 * number. */
size_t pl_statics_find(const pl_statics *statics, pl_buf *out);

#endif
