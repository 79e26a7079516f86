/* app/demo.h -- where this installation keeps the built-in demo model. */
#ifndef PL_APP_DEMO_H
#define PL_APP_DEMO_H

#include "core/base/text.h"

/* Appends the folder: $PLANISH_DEMO if set; else share/planish/demo (an installation),
 * sessions/demo or sources/sessions/demo (a build tree in the sources, or with a link to them) in a
 * folder above the program; else in the data folder that the build was configured with.
 * PL_ERR_NOT_FOUND names where it looked. */
PL_NODISCARD pl_status pl_demo_folder(pl_buf *out, pl_error *err);

#endif
