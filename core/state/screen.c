/* What the screen shows of a state: panes, the last sweep. */
#include "core/base/json.h"
#include "core/state/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const pane_names[PL_DISPLAY_PANES] = {"main", "second", "table"};

void pl_display_init(pl_display *display)
{
    *display =
        (pl_display){.panes = {{.view = "channels"}, {.view = "histogram"}, {.view = "outliers"}}};
}

const char *pl_display_pane_name(size_t pane)
{
    return pane < PL_DISPLAY_PANES ? pane_names[pane] : "";
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *sweep_json(const pl_state *state)
{
    const pl_sweep *sweep = &state->sweep;
    if (!sweep->set) {
        return json_null();
    }
    char plan[PL_ID_TEXT];
    pl_id_format(sweep->plan, plan);
    return json_pack(
        "{s:i, s:s, s:f, s:f, s:I, s:b, s:b, s:s, s:b, s:s, s:I, s:I, s:s}", "slot",
        (int)sweep->slot, "param", sweep->param, "from", sweep->from, "to", sweep->to, "points",
        (json_int_t)sweep->points, "log", (int)sweep->logarithmic, "whole", (int)sweep->whole,
        "layer", pl_model_layer(state->source->model, sweep->layer)->name, "perplexity",
        (int)sweep->perplexity, "text", sweep->text, "length", (json_int_t)sweep->length, "windows",
        (json_int_t)sweep->windows, "plan", plan);
}

json_t *pl_display_to_json(const pl_state *state)
{
    const pl_display *display = &state->display;
    json_t *panes = json_array();
    for (size_t i = 0; i < PL_DISPLAY_PANES; i++) {
        const pl_pane_view *pane = &display->panes[i];
        pl_json_append(panes,
                       json_pack("{s:s, s:s, s:b, s:b}", "view", pane->view, "form", pane->form,
                                 "sorted", (int)pane->sorted, "log", (int)pane->log));
    }
    json_t *channel =
        state->channel == SIZE_MAX ? json_null() : json_integer((json_int_t)state->channel);
    return json_pack("{s:o, s:b, s:s, s:o, s:o}", "panes", panes, "split", (int)display->split,
                     "zoom", display->zoom, "channel", channel, "sweep",
                     state->source != NULL ? sweep_json(state) : json_null());
}

static void copy_name(const json_t *value, char out[PL_VIEW_NAME])
{
    const char *text = json_string_value(value);
    if (text != NULL && strlen(text) < PL_VIEW_NAME) {
        snprintf(out, PL_VIEW_NAME, "%s", text);
    }
}

static void read_sweep(pl_state *state, const json_t *json)
{
    pl_sweep sweep = {.set = true};
    const char *param = json_string_value(json_object_get(json, "param"));
    const char *layer = json_string_value(json_object_get(json, "layer"));
    const char *text = json_string_value(json_object_get(json, "text"));
    json_int_t slot = json_integer_value(json_object_get(json, "slot"));
    json_int_t points = json_integer_value(json_object_get(json, "points"));
    if (param == NULL || strlen(param) >= sizeof sweep.param || text == NULL ||
        strlen(text) >= sizeof sweep.text || slot < 0 || slot >= PL_SLOT_COUNT || points < 2 ||
        points > 64 || layer == NULL ||
        pl_model_find_layer(state->source->model, layer, &sweep.layer, NULL) != PL_OK) {
        return;
    }
    snprintf(sweep.param, sizeof sweep.param, "%s", param);
    snprintf(sweep.text, sizeof sweep.text, "%s", text);
    sweep.slot = (pl_slot)slot;
    sweep.points = (size_t)points;
    sweep.from = json_number_value(json_object_get(json, "from"));
    sweep.to = json_number_value(json_object_get(json, "to"));
    sweep.logarithmic = json_is_true(json_object_get(json, "log"));
    sweep.whole = json_is_true(json_object_get(json, "whole"));
    sweep.perplexity = json_is_true(json_object_get(json, "perplexity"));
    sweep.length = (size_t)json_integer_value(json_object_get(json, "length"));
    sweep.windows = (size_t)json_integer_value(json_object_get(json, "windows"));
    const char *plan = json_string_value(json_object_get(json, "plan"));
    if (plan == NULL || !pl_id_parse(plan, &sweep.plan)) {
        sweep.plan = (pl_id){0};
    }
    if (isfinite(sweep.from) && isfinite(sweep.to) && sweep.from < sweep.to) {
        state->sweep = sweep;
    }
}

void pl_display_from_json(pl_state *state, const json_t *json)
{
    pl_display *display = &state->display;
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(json, "panes"), index, item)
    {
        if (index < PL_DISPLAY_PANES) {
            copy_name(json_object_get(item, "view"), display->panes[index].view);
            copy_name(json_object_get(item, "form"), display->panes[index].form);
            display->panes[index].sorted = json_is_true(json_object_get(item, "sorted"));
            display->panes[index].log = json_is_true(json_object_get(item, "log"));
        }
    }
    display->split = json_is_true(json_object_get(json, "split"));
    copy_name(json_object_get(json, "zoom"), display->zoom);
    const json_t *channel = json_object_get(json, "channel");
    json_int_t at = json_integer_value(channel);
    state->channel = json_is_integer(channel) && at >= 0 ? (size_t)at : SIZE_MAX;
    if (json_is_object(json_object_get(json, "sweep"))) {
        read_sweep(state, json_object_get(json, "sweep"));
    }
}
