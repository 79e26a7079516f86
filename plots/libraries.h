/* plots/libraries.h -- which libraries draw. */
#ifndef PL_PLOTS_LIBRARIES_H
#define PL_PLOTS_LIBRARIES_H

#include "core/base/text.h"

/* Appends "NAME VERSION, NAME VERSION, ...", as they are loaded. */
void pl_plots_put_libraries(pl_buf *out);

#endif
