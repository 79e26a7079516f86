/* core/state/remarks.h -- what the user writes on layers: one note a layer, and tags that layers
 * share.
 *
 * They change no result.  A tag stands for its layers wherever a glob over layers is taken, as
 * `tag:NAME`. */
#ifndef PL_STATE_REMARKS_H
#define PL_STATE_REMARKS_H

#include "core/state/state.h"

enum { PL_TAG_NAME = 32, PL_NOTE_BYTES = 1000 };

/* The layer's note, or NULL.  A model must be open. */
const char *pl_state_note(const pl_state *state, size_t layer);
/* text NULL or "": removes it.  PL_ERR_USAGE for one longer than PL_NOTE_BYTES. */
PL_NODISCARD pl_status pl_state_set_note(pl_state *state, size_t layer, const char *text,
                                         pl_error *err);

/* "fragile later", appended, in the order of the alphabet; nothing where there are none. */
void pl_state_put_tags(const pl_state *state, size_t layer, pl_buf *out);
/* *changed: the layer did not have the tag (untag: had it).  PL_ERR_USAGE for a bad name: expected
 * letters, digits, .  _ + -, at most 31 of them. */
PL_NODISCARD pl_status pl_state_tag(pl_state *state, size_t layer, const char *tag, bool *changed,
                                    pl_error *err);
void pl_state_untag(pl_state *state, size_t layer, const char *tag, bool *changed);

/* Whether a glob over layers has a tag in it.  expand: appends the glob with each tag replaced by
 * its layers' names.  PL_ERR_NOT_FOUND where no layer has one. */
bool pl_glob_has_tags(const char *glob);
PL_NODISCARD pl_status pl_state_expand_tags(const pl_state *state, const char *glob, pl_buf *out,
                                            pl_error *err);

/* For sessions. */
json_t *pl_remarks_to_json(const pl_state *state);
/* Into a state whose source is set; what cannot be read is left out. */
void pl_remarks_from_json(pl_state *state, const json_t *list);

#endif
