/* app/commands/remarks.h -- the results of note, tag and untag. */
#ifndef PL_APP_COMMANDS_REMARKS_H
#define PL_APP_COMMANDS_REMARKS_H

#include "app/commands/list.h"

/* The layers that have notes or tags, as "layers". */
void pl_put_remarks(pl_call *call, const pl_state *state);

/* Adds the tags in the call's other words to the layers of its first word (LAYER, GLOB or all), or
 * removes them; "changed" counts the layers changed. */
PL_NODISCARD pl_status pl_change_tags(pl_call *call, pl_state *state, bool add, pl_error *err);

/* Tags and note of a layer into its row; null where it has none. */
void pl_put_remarks_of(json_t *row, const pl_state *state, size_t layer);

#endif
