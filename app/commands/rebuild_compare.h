/* app/commands/rebuild_compare.h -- whether a figure made again is the one of the file. */
#ifndef PL_APP_COMMANDS_REBUILD_COMPARE_H
#define PL_APP_COMMANDS_REBUILD_COMPARE_H

#include "plots/provenance.h"

#include <jansson.h>

/* Compares the figure's file, of which then is the provenance, with the one made now.  *same where
 * the bytes are, or where all is but what the model is called.  Sentences on what is not as it was
 * are appended to differs. */
PL_NODISCARD pl_status pl_rebuild_compare(const char *figure, const pl_origin *then,
                                          const char *made, json_t *differs, bool *same,
                                          pl_error *err);

#endif
