/* view: what the panes of the screen show. */
#include "app/commands/parts.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/base/nearest.h"
#include "plots/kinds.h"
#include "views/view.h"

#include <stdio.h>
#include <string.h>

static pl_status unknown_view(const char *name, pl_error *err)
{
    pl_nearest near = pl_nearest_to(name);
    char hint[PL_NEAREST_HINT];
    pl_buf known = {0};
    for (const pl_screen_view *const *view = pl_views(); *view != NULL; view++) {
        pl_nearest_try(&near, (*view)->name);
        pl_buf_printf(&known, "%s%s", known.size > 0 ? ", " : "", (*view)->name);
    }
    pl_status status = pl_error_set(
        err, PL_ERR_USAGE, "view: no view is named \"%s\"%s; there are %s", name,
        pl_nearest_hint(&near, " (", ")", hint), known.data != NULL ? known.data : "others");
    pl_buf_deinit(&known);
    return status;
}

/* The pane named by pane=, else the one given a view, else the main one: `view second=groups
 * form=bars`. */
static pl_status find_meant_pane(const pl_call *call, size_t *index, pl_error *err)
{
    size_t named = 0;
    *index = 0;
    for (size_t i = 0; i < PL_DISPLAY_PANES; i++) {
        if (pl_call_value(call, pl_display_pane_name(i)) != NULL) {
            *index = i;
            named++;
        }
    }
    *index = named == 1 ? *index : 0;
    return pl_usage_choice(call, "pane", index, err);
}

/* `view VIEW` is for that pane. */
static pl_status read_views(const pl_call *call, size_t meant, pl_display *display, pl_error *err)
{
    for (size_t i = 0; i < PL_DISPLAY_PANES; i++) {
        const char *name = pl_call_value(call, pl_display_pane_name(i));
        if (name == NULL && i == meant && call->n_words == 1) {
            name = call->words[0];
        }
        if (name == NULL) {
            continue;
        }
        if (pl_view_find(name) == NULL) {
            return unknown_view(name, err);
        }
        snprintf(display->panes[i].view, sizeof display->panes[i].view, "%s", name);
    }
    return PL_OK;
}

static pl_status read_pane_form(const pl_call *call, pl_pane_view *pane, pl_error *err)
{
    const char *form = pl_call_value(call, "form");
    if (form == NULL) {
        return PL_OK;
    }
    const pl_kind *kind = pl_kind_find(pane->view);
    if (kind == NULL || kind->forms == NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "view: %s has only one form", pane->view);
    }
    if (form[0] == '\0' || pl_view_form(kind, form) < 0) {
        return pl_error_set(err, PL_ERR_USAGE, "view: form of %s: expected %s, got \"%s\"",
                            pane->view, kind->forms, form);
    }
    snprintf(pane->form, sizeof pane->form, "%s", form);
    return PL_OK;
}

/* Order, scale and form of one pane. */
static pl_status read_pane_settings(const pl_call *call, pl_pane_view *pane, pl_error *err)
{
    size_t sorted = pane->sorted;
    size_t log = pane->log;
    pl_status status = pl_usage_choice(call, "order", &sorted, err);
    PL_THEN(pl_usage_choice(call, "scale", &log, err));
    PL_THEN(read_pane_form(call, pane, err));
    pane->sorted = sorted != 0;
    pane->log = log != 0;
    return status;
}

static pl_status read_split_and_zoom(const pl_call *call, size_t meant, pl_display *display,
                                     pl_error *err)
{
    /* What is put into the second pane is wanted on the screen. */
    const bool second = strcmp(pl_display_pane_name(meant), "second") == 0;
    size_t split =
        display->split || pl_call_value(call, "second") != NULL || (second && call->n_words == 1);
    pl_status status = pl_usage_choice(call, "split", &split, err);
    display->split = split != 0;
    const char *zoom = pl_call_value(call, "zoom");
    size_t index = 0;
    PL_THEN(pl_usage_choice(call, "zoom", &index, err));
    if (status == PL_OK && zoom != NULL) {
        snprintf(display->zoom, sizeof display->zoom, "%s", index > 0 ? zoom : "");
    }
    return status;
}

static json_t *pane_json(const pl_state *state, size_t index)
{
    static const pl_pane panes[PL_DISPLAY_PANES] = {PL_PANE_MAIN, PL_PANE_SECOND, PL_PANE_TABLE};
    const pl_display display = pl_display_of(state);
    const pl_pane_view *pane = &display.panes[index];
    const pl_kind *kind = pl_view_of(state, panes[index])->kind;
    json_t *json = json_pack("{s:s}", "view", pl_view_of(state, panes[index])->name);
    char form[PL_VIEW_NAME];
    int at = pl_view_form(kind, pane->form);
    pl_view_form_name(kind, at > 0 ? at : 0, form);
    if (kind != NULL && (kind->uses & PL_USES_ORDER) != 0) {
        pl_json_set(json, "order", json_string(pane->sorted ? "sorted" : "index"));
    }
    if (kind != NULL && (kind->uses & PL_USES_SCALE) != 0) {
        pl_json_set(json, "scale", json_string(pane->log ? "log" : "linear"));
    }
    if (form[0] != '\0') {
        pl_json_set(json, "form", json_string(form));
    }
    return json;
}

static void put_view(pl_call *call, const pl_state *state)
{
    pl_json_set(call->result, "side", json_string(pl_side_name(state->side)));
    pl_json_set(call->result, "which", json_string(pl_which_name(state->which)));
    for (size_t i = 0; i < PL_DISPLAY_PANES; i++) {
        pl_json_set(call->result, pl_display_pane_name(i), pane_json(state, i));
    }
    const pl_display display = pl_display_of(state);
    pl_json_set(call->result, "split", json_boolean(display.split));
    pl_json_set(call->result, "zoom", json_string(display.zoom[0] != '\0' ? display.zoom : "no"));
}

static pl_status apply_view(pl_call *call, pl_state *state, pl_error *err)
{
    size_t side = state->side;
    size_t which = state->which;
    size_t pane = 0;
    pl_display display = pl_display_of(state);
    pl_status status = pl_usage_choice(call, "side", &side, err);
    PL_THEN(pl_usage_choice(call, "which", &which, err));
    PL_THEN(find_meant_pane(call, &pane, err));
    PL_THEN(read_views(call, pane, &display, err));
    PL_THEN(read_pane_settings(call, &display.panes[pane], err));
    PL_THEN(read_split_and_zoom(call, pane, &display, err));
    PL_THEN(pl_display_set(state, &display, err));
    if (status == PL_OK) {
        state->side = (pl_side)side;
        state->which = (pl_which)which;
        put_view(call, state);
    }
    return status;
}

/* Panes take what they show from the state: nothing is to be made. */
static void follow_view(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)screen;
    (void)call;
    (void)how;
}

static const pl_key view_keys[] = {
    {"side", PL_KEY_CHOICE, NULL, "weight|input", "what the views show"},
    {"which", PL_KEY_CHOICE, NULL, "before|preconditioned|after|both", "which weights they show"},
    {"main", PL_KEY_VIEW, NULL, NULL, "view of the main pane"},
    {"second", PL_KEY_VIEW, NULL, NULL, "view of the second pane, which it opens"},
    {"table", PL_KEY_VIEW, NULL, NULL, "view of the pane below"},
    {"pane", PL_KEY_CHOICE, NULL, "main|second|table",
     "whose order, scale and form are meant (else the pane that is named, or main)"},
    {"order", PL_KEY_CHOICE, NULL, "index|sorted", "channels by index or by falling size"},
    {"scale", PL_KEY_CHOICE, NULL, "linear|log", "the value axis"},
    {"form", PL_KEY_FORM, NULL, NULL, "which form of the view: maxima, fan, ..."},
    {"split", PL_KEY_CHOICE, NULL, "no|yes", "the second pane beside the main one"},
    {"zoom", PL_KEY_CHOICE, NULL, "no|layers|main|second|table|tuner", "one pane alone"},
    {0},
};

const pl_command pl_command_view = {
    .name = "view",
    .positional = "[VIEW]",
    .max_words = 1,
    .keys = view_keys,
    .needs_model = true,
    .summary = "Choose what the screen shows: views, their side, order and form, split and zoom",
    .apply = apply_view,
    .history = PL_HISTORY_LOOK,
    .says_itself = true,
    .follow = follow_view,
};
