/* core/state/state_parts.h -- what state.c needs of the files that hold parts of a state and its
 * source; private to core/state. */
#ifndef PL_STATE_STATE_PARTS_H
#define PL_STATE_STATE_PARTS_H

#include "core/state/state.h"

/* Of pl_source. */
PL_NODISCARD pl_status pl_record_create(size_t layers, pl_record **out, pl_error *err);
void pl_record_destroy(pl_record *record); /* NULL is fine */

/* `to` must have no overrides or remarks yet. */
PL_NODISCARD pl_status pl_state_copy_overrides(pl_state *to, const pl_state *from, pl_error *err);
void pl_state_free_overrides(pl_state *state);
PL_NODISCARD pl_status pl_state_copy_remarks(pl_state *to, const pl_state *from, pl_error *err);
void pl_state_free_remarks(pl_state *state);

void pl_state_drop_kept(pl_state *state);

pl_shown *pl_shown_retain(pl_shown *shown); /* both: NULL is fine */
void pl_shown_release(pl_shown *shown);

#endif
