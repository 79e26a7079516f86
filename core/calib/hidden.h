/* core/calib/hidden.h -- the hidden states of all windows, in memory or in an unlinked temporary
 * file that is read and written a window at a time.  Private to core/calib. */
#ifndef PL_CALIB_HIDDEN_H
#define PL_CALIB_HIDDEN_H

#include "core/base/error.h"

#include <stddef.h>

typedef struct pl_hidden pl_hidden;

/* values: floats of one window.  folder: where to spill (made if missing), NULL to stay in memory.
 * Not cleared.  Caller owns *out. */
PL_NODISCARD pl_status pl_hidden_create(size_t windows, size_t values, const char *folder,
                                        pl_hidden **out, pl_error *err);
void pl_hidden_destroy(pl_hidden *hidden);

/* A window's values where they are, or NULL when they are spilled. */
float *pl_hidden_place(pl_hidden *hidden, size_t window);

/* Copies a window's values out and in. */
PL_NODISCARD pl_status pl_hidden_read(pl_hidden *hidden, size_t window, float *out, pl_error *err);
PL_NODISCARD pl_status pl_hidden_write(pl_hidden *hidden, size_t window, const float *values,
                                       pl_error *err);

#endif
