/* app/source.h -- opens models by their paths. */
#ifndef PL_APP_SOURCE_H
#define PL_APP_SOURCE_H

#include "core/state/state.h"

/* Opens a model as `open PATH inputs=FILE` does: path NULL is the demo, inputs NULL is none. */
PL_NODISCARD pl_status pl_open_source(const char *path, const char *inputs, pl_source **out,
                                      pl_error *err);

/* Appends the absolute path, since a session may be opened from another working folder.  What names
 * no file (an id org/name) is appended unchanged. */
void pl_put_absolute(const char *path, pl_buf *out);

#endif
