/* core/state/kept.h -- settings under a name, to compare with and to go back to.
 *
 * A kept setting is what `keep NAME` found: methods, activations, cache, calibration and the keys
 * of the results of all layers.  It never changes, so states, undo steps and jobs share it by
 * counted references.  A pin is a kept setting without a name; its methods are its label. */
#ifndef PL_STATE_KEPT_H
#define PL_STATE_KEPT_H

#include "core/state/state.h"

/* A kept setting's name; for a pin, its number in lists. */
void pl_kept_name(const pl_state *state, size_t index, char out[PL_KEPT_NAME]);
/* How many kept settings are compared with the present one. */
size_t pl_state_compared(const pl_state *state);
/* The setting's result of a layer, or NULL. */
const pl_pin *pl_kept_pin(const pl_kept *kept, size_t layer);

/* Whether the pin's result depends on how activations and cache are quantized. */
bool pl_pin_needs_quantized(const pl_pin *pin);

/* Identity of what a perplexity depends on: the results of all layers, and how activations and
 * cache are quantized. */
pl_id pl_state_setting(const pl_state *state);

/* "astro beta=0.0003 > gptq bits=3 act_order=yes, activations 4 bits, cache 4 bits": each method
 * with its most telling parameter and those that differ from their defaults; appended.  layer
 * SIZE_MAX: of the layers without methods of their own, and for the others ", others
 * on=*.q_proj". */
void pl_state_label(const pl_state *state, size_t layer, pl_buf *out);

/* Keeps the present setting under a name, in place of one of that name.  PL_ERR_USAGE for a bad
 * name (expected letters, digits, .  _ + -, at most 31 of them; not a number, a layer, `now`, `all`
 * or `remove`); PL_ERR_STATE where no model is open or PL_MAX_KEPT are kept. */
PL_NODISCARD pl_status pl_state_keep(pl_state *state, const char *name, pl_error *err);

/* The same without a name.  PL_ERR_STATE, too, where the selected layer is not solved, or is
 * imported.  A pin of the same setting whose results agree takes the new ones, so that there is no
 * second. */
PL_NODISCARD pl_status pl_state_pin(pl_state *state, pl_error *err);

/* Index of a kept setting by its name, or by its number in lists, from 1.  PL_ERR_USAGE with the
 * names there are. */
PL_NODISCARD pl_status pl_state_find_kept(const pl_state *state, const char *command,
                                          const char *name, size_t *index, pl_error *err);
/* Removes one (index as listed, from 0), or all (SIZE_MAX).  PL_ERR_USAGE if there is none. */
PL_NODISCARD pl_status pl_state_unpin(pl_state *state, size_t index, pl_error *err);

/* A state with the looks of `state` (layer, side, panes, kept settings) and that kept setting.  On
 * failure *out is empty. */
PL_NODISCARD pl_status pl_state_as(const pl_state *state, const pl_kept *kept, pl_state *out,
                                   pl_error *err);

/* commands.c: the commands that keep the settings' results of a layer again: `select`, then for
 * each setting its methods (of the layer, or for a solve in sequence of all layers), `solve` and
 * `pin` or `keep`.  Nothing where no setting has a result.
 * Afterwards the slots are those of the last setting, activations and cache those of the state. */
void pl_pin_commands(const pl_state *state, size_t layer, pl_buf *out);

/* The commands that lead from the setting of `from` to that of `to`, with the results of all of its
 * layers, appended. */
void pl_setting_commands(const pl_state *from, const pl_state *to, pl_buf *out);

/* For sessions.  from_json: into a state whose source is set.  pins: from older sessions, in which
 * each pin is of one layer.  What cannot be read is left out. */
json_t *pl_kept_to_json(const pl_state *state);
void pl_kept_from_json(pl_state *state, const json_t *list, const json_t *pins);

/* setting_json.c: a kept setting without its results; and back, into a state whose source is set,
 * with results where the JSON has them.  same: the results are of this model. */
json_t *pl_setting_to_json(const pl_state *state);
PL_NODISCARD pl_status pl_setting_restore(pl_state *state, const json_t *json, bool same,
                                          pl_error *err);

#endif
