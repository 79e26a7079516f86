/* note: a few words on a layer. */
#include "app/commands/parts.h"
#include "app/commands/remarks.h"
#include "core/base/json.h"
#include "core/state/remarks.h"

#include <string.h>

static pl_status apply_note(pl_call *call, pl_state *state, pl_error *err)
{
    size_t layer = 0;
    const bool lists = call->n_words == 0;
    call->unchanged = lists;
    if (call->n_words == 1) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "note: expected LAYER \"TEXT\", or LAYER none to take it away");
    }
    pl_status status = lists ? PL_OK : pl_target_layer(call, state, 0, &layer, err);
    if (status == PL_OK && !lists) {
        const char *text = call->words[1];
        status = pl_state_set_note(state, layer, strcmp(text, "none") == 0 ? NULL : text, err);
    }
    if (status == PL_OK) {
        pl_put_remarks(call, state);
    }
    return status;
}

static void put_note_line(const pl_call *call, pl_buf *out)
{
    if (call->n_words > 1) {
        pl_buf_puts(out, strcmp(call->words[1], "none") == 0 ? "it has no note any more"
                                                             : "noted; `layers` lists notes, too");
    } else {
        pl_buf_printf(out, "%zu layers have notes or tags; `note LAYER \"TEXT\"` writes one",
                      json_array_size(json_object_get(call->result, "layers")));
    }
}

const pl_command pl_command_note = {
    .name = "note",
    .positional = "[LAYER] \"TEXT\"|none",
    .max_words = 2,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Write a note on a layer, or take it away; alone: list notes and tags",
    .apply = apply_note,
    .put_line = put_note_line,
};
