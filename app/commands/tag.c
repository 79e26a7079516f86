/* tag: a name that several layers have, and that stands for them. */
#include "app/commands/parts.h"
#include "app/commands/remarks.h"
#include "core/base/json.h"
#include "core/state/remarks.h"

#include <string.h>

void pl_put_remarks_of(json_t *row, const pl_state *state, size_t layer)
{
    pl_buf tags = {0};
    char safe[2 * PL_NOTE_BYTES];
    const char *note = pl_state_note(state, layer);
    pl_state_put_tags(state, layer, &tags);
    pl_json_set(row, "tags", tags.data != NULL ? json_string(tags.data) : json_null());
    if (note != NULL) {
        pl_text_escape(note, strlen(note), safe, sizeof safe);
    }
    pl_json_set(row, "note", note != NULL ? json_string(safe) : json_null());
    pl_buf_deinit(&tags);
}

void pl_put_remarks(pl_call *call, const pl_state *state)
{
    json_t *rows = json_array();
    pl_json_set(call->result, "layers", rows);
    for (size_t i = 0; i < state->n_remarks; i++) {
        const size_t layer = state->remarks[i].layer;
        if (i == 0 || state->remarks[i - 1].layer != layer) {
            json_t *row = json_object();
            pl_json_set(row, "name",
                        json_string(pl_model_layer(state->source->model, layer)->name));
            pl_put_remarks_of(row, state, layer);
            pl_json_append(rows, row);
        }
    }
}

/* Whether the layer is one of those that the call's first word names. */
static pl_status find_layers(const pl_call *call, const pl_state *state, bool *all, bool *glob,
                             size_t *one, pl_error *err)
{
    const char *word = call->words[0];
    *all = strcmp(word, "all") == 0;
    *glob = !*all && strpbrk(word, "*?[,") != NULL;
    return *all || *glob ? PL_OK : pl_model_find_layer(state->source->model, word, one, err);
}

pl_status pl_change_tags(pl_call *call, pl_state *state, bool add, pl_error *err)
{
    bool all = false, glob = false;
    size_t one = 0, named = 0, changed = 0;
    pl_status status = find_layers(call, state, &all, &glob, &one, err);
    const size_t n = pl_model_layer_count(state->source->model);
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        bool any = false;
        if (!all &&
            (glob ? !pl_model_layer_matches(state->source->model, i, call->words[0]) : i != one)) {
            continue;
        }
        named++;
        for (size_t w = 1; status == PL_OK && w < call->n_words; w++) {
            bool now = false;
            if (add) {
                status = pl_state_tag(state, i, call->words[w], &now, err);
            } else {
                pl_state_untag(state, i, call->words[w], &now);
            }
            any = any || now;
        }
        changed += any;
    }
    if (status == PL_OK && named == 0) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND, "%s: no layer matches %s", call->command->name,
                              call->words[0]);
    }
    if (status == PL_OK) {
        call->unchanged = changed == 0;
        pl_json_set(call->result, "changed", json_integer((json_int_t)changed));
        pl_put_remarks(call, state);
    }
    return status;
}

static pl_status apply_tag(pl_call *call, pl_state *state, pl_error *err)
{
    if (call->n_words == 1) {
        return pl_error_set(err, PL_ERR_USAGE, "tag: expected LAYER|GLOB|all and a name");
    }
    if (call->n_words > 1) {
        return pl_change_tags(call, state, true, err);
    }
    call->unchanged = true;
    pl_json_set(call->result, "changed", json_integer(0));
    pl_put_remarks(call, state);
    return PL_OK;
}

static void put_tag_line(const pl_call *call, pl_buf *out)
{
    if (call->n_words > 1) {
        pl_buf_printf(out, "%lld layers tagged; `tag:%s` stands for all that have it",
                      json_integer_value(json_object_get(call->result, "changed")), call->words[1]);
    } else {
        pl_buf_printf(out, "%zu layers have notes or tags; `tag GLOB NAME` gives one",
                      json_array_size(json_object_get(call->result, "layers")));
    }
}

const pl_command pl_command_tag = {
    .name = "tag",
    .positional = "[LAYER|all|GLOB] TAG ...",
    .max_words = 16,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Tag layers; tag:NAME then stands for them where a glob is taken; alone: list them",
    .apply = apply_tag,
    .put_line = put_tag_line,
};
