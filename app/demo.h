/* app/demo.h -- where this installation keeps the built-in demo model. */
#ifndef PL_APP_DEMO_H
#define PL_APP_DEMO_H

#include "core/base/text.h"

/* Appends the folder: $PLANISH_DEMO if set; else share/planish/demo beside an installed program;
 * else sessions/demo in a folder above the program (a build tree), or in the sources it was built
 * from.  PL_ERR_NOT_FOUND names where it looked. */
PL_NODISCARD pl_status pl_demo_folder(pl_buf *out, pl_error *err);

#endif
