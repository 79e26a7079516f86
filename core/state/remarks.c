#include "core/state/remarks.h"

#include "core/base/json.h"
#include "core/state/state_parts.h"

#include <stdlib.h>
#include <string.h>

static const char lead[] = "tag:";

void pl_state_free_remarks(pl_state *state)
{
    for (size_t i = 0; i < state->n_remarks; i++) {
        free(state->remarks[i].text);
    }
    free(state->remarks);
    state->remarks = NULL;
    state->n_remarks = 0;
}

pl_status pl_state_copy_remarks(pl_state *to, const pl_state *from, pl_error *err)
{
    to->n_remarks = 0;
    to->remarks = from->n_remarks > 0 ? calloc(from->n_remarks, sizeof *to->remarks) : NULL;
    if (from->n_remarks > 0 && to->remarks == NULL) {
        return pl_error_memory(err, "the state");
    }
    for (size_t i = 0; i < from->n_remarks; i++) {
        to->remarks[i] = from->remarks[i];
        to->remarks[i].text = strdup(from->remarks[i].text);
        if (to->remarks[i].text == NULL) {
            pl_state_free_remarks(to);
            return pl_error_memory(err, "the state");
        }
        to->n_remarks++;
    }
    return PL_OK;
}

/* By layer, the note first, then tags in the order of the alphabet. */
static int compare(const pl_remark *a, size_t layer, bool tag, const char *text)
{
    return a->layer != layer ? (a->layer > layer) - (a->layer < layer)
           : a->tag != tag   ? (a->tag ? 1 : -1)
           : tag             ? strcmp(a->text, text)
                             : 0;
}

/* Where such a remark stands, or would. */
static size_t find_remark(const pl_state *state, size_t layer, bool tag, const char *text,
                          bool *there)
{
    size_t i = 0;
    while (i < state->n_remarks && compare(&state->remarks[i], layer, tag, text) < 0) {
        i++;
    }
    *there = i < state->n_remarks && compare(&state->remarks[i], layer, tag, text) == 0;
    return i;
}

static void remove_at(pl_state *state, size_t i)
{
    free(state->remarks[i].text);
    state->n_remarks--;
    memmove(state->remarks + i, state->remarks + i + 1,
            (state->n_remarks - i) * sizeof *state->remarks);
}

static pl_status insert_at(pl_state *state, size_t i, size_t layer, bool tag, const char *text,
                           pl_error *err)
{
    char *copy = strdup(text);
    pl_remark *grown =
        copy != NULL ? realloc(state->remarks, (state->n_remarks + 1) * sizeof *grown) : NULL;
    if (grown == NULL) {
        free(copy);
        return pl_error_memory(err, "the state");
    }
    state->remarks = grown;
    memmove(grown + i + 1, grown + i, (state->n_remarks - i) * sizeof *grown);
    grown[i] = (pl_remark){.layer = layer, .tag = tag, .text = copy};
    state->n_remarks++;
    return PL_OK;
}

const char *pl_state_note(const pl_state *state, size_t layer)
{
    bool there = false;
    const size_t i = find_remark(state, layer, false, "", &there);
    return there ? state->remarks[i].text : NULL;
}

pl_status pl_state_set_note(pl_state *state, size_t layer, const char *text, pl_error *err)
{
    bool there = false;
    if (text != NULL && strlen(text) > PL_NOTE_BYTES) {
        return pl_error_set(err, PL_ERR_USAGE, "note: has %zu bytes, expected at most %d",
                            strlen(text), PL_NOTE_BYTES);
    }
    const size_t i = find_remark(state, layer, false, "", &there);
    char *copy = there && text != NULL && text[0] != '\0' ? strdup(text) : NULL;
    if (text == NULL || text[0] == '\0') {
        if (there) {
            remove_at(state, i);
        }
        return PL_OK;
    }
    if (!there) {
        return insert_at(state, i, layer, false, text, err);
    }
    if (copy == NULL) {
        return pl_error_memory(err, "the state");
    }
    free(state->remarks[i].text);
    state->remarks[i].text = copy;
    return PL_OK;
}

void pl_state_put_tags(const pl_state *state, size_t layer, pl_buf *out)
{
    bool first = true;
    for (size_t i = 0; i < state->n_remarks; i++) {
        if (state->remarks[i].layer == layer && state->remarks[i].tag) {
            pl_buf_printf(out, "%s%s", first ? "" : " ", state->remarks[i].text);
            first = false;
        }
    }
}

static bool is_tag(const char *text)
{
    static const char plain[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._+-";
    const size_t length = strlen(text);
    return length > 0 && length < PL_TAG_NAME && strspn(text, plain) == length;
}

pl_status pl_state_tag(pl_state *state, size_t layer, const char *tag, bool *changed, pl_error *err)
{
    bool there = false;
    char safe[128];
    *changed = false;
    if (!is_tag(tag)) {
        pl_text_escape(tag, strlen(tag), safe, sizeof safe);
        return pl_error_set(err, PL_ERR_USAGE,
                            "tag: found \"%s\", expected a name of letters, digits, . _ + - (at "
                            "most %d)",
                            safe, PL_TAG_NAME - 1);
    }
    const size_t i = find_remark(state, layer, true, tag, &there);
    *changed = !there;
    return there ? PL_OK : insert_at(state, i, layer, true, tag, err);
}

void pl_state_untag(pl_state *state, size_t layer, const char *tag, bool *changed)
{
    const size_t i = find_remark(state, layer, true, tag, changed);
    if (*changed) {
        remove_at(state, i);
    }
}

/* --- as globs --------------------------------------------------------------------------------- */

bool pl_glob_has_tags(const char *glob)
{
    for (const char *part = glob; part != NULL; part = strchr(part, ',')) {
        part += *part == ',';
        if (strncmp(part, lead, sizeof lead - 1) == 0) {
            return true;
        }
    }
    return false;
}

static pl_status put_layers_of(const pl_state *state, const char *tag, pl_buf *out, pl_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < state->n_remarks; i++) {
        const pl_remark *one = &state->remarks[i];
        if (one->tag && strcmp(one->text, tag) == 0) {
            pl_buf_printf(out, "%s%s", found++ > 0 ? "," : "",
                          pl_model_layer(state->source->model, one->layer)->name);
        }
    }
    return found > 0 ? PL_OK
                     : pl_error_set(err, PL_ERR_NOT_FOUND,
                                    "no layer has the tag %s (`tag` lists those there are)", tag);
}

pl_status pl_state_expand_tags(const pl_state *state, const char *glob, pl_buf *out, pl_error *err)
{
    pl_status status = PL_OK;
    for (const char *part = glob; status == PL_OK && *part != '\0';) {
        const size_t length = strcspn(part, ",");
        char tag[PL_TAG_NAME + sizeof lead];
        if (strncmp(part, lead, sizeof lead - 1) == 0 && length < sizeof tag) {
            memcpy(tag, part, length);
            tag[length] = '\0';
            status = put_layers_of(state, tag + sizeof lead - 1, out, err);
        } else {
            pl_buf_append(out, part, length);
        }
        part += length;
        if (*part == ',') {
            pl_buf_puts(out, ",");
            part++;
        }
    }
    PL_THEN(pl_buf_check(out, err));
    return status;
}

/* --- in sessions ------------------------------------------------------------------------------ */

json_t *pl_remarks_to_json(const pl_state *state)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->n_remarks; i++) {
        const pl_remark *one = &state->remarks[i];
        pl_json_append(list, json_pack("[s, s, s]",
                                       pl_model_layer(state->source->model, one->layer)->name,
                                       one->tag ? "tag" : "note", one->text));
    }
    return list;
}

void pl_remarks_from_json(pl_state *state, const json_t *list)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *name = json_string_value(json_array_get(item, 0));
        const char *kind = json_string_value(json_array_get(item, 1));
        const char *text = json_string_value(json_array_get(item, 2));
        size_t layer = 0;
        bool changed = false;
        if (name == NULL || kind == NULL || text == NULL ||
            pl_model_find_layer(state->source->model, name, &layer, NULL) != PL_OK) {
            continue;
        }
        pl_status ignored =
            strcmp(kind, "tag") == 0    ? pl_state_tag(state, layer, text, &changed, NULL)
            : strcmp(kind, "note") == 0 ? pl_state_set_note(state, layer, text, NULL)
                                        : PL_OK;
        (void)ignored;
    }
}
