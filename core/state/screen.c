/* What the screen shows of a state, in its session. */
#include "core/base/json.h"
#include "core/state/state_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* States of several threads share it.  It has a count of its own because jansson's json_incref
 * looks at the value's count unguarded before it adds to it. */
struct pl_shown {
    json_t *json;
    pl_count count;
};

pl_shown *pl_shown_retain(pl_shown *shown)
{
    if (shown != NULL) {
        pl_count_retain(&shown->count);
    }
    return shown;
}

void pl_shown_release(pl_shown *shown)
{
    if (shown != NULL && pl_count_release(&shown->count)) {
        json_decref(shown->json);
        free(shown);
    }
}

const json_t *pl_state_screen(const pl_state *state)
{
    return state->shown != NULL ? state->shown->json : NULL;
}

void pl_state_set_screen(pl_state *state, json_t *screen)
{
    pl_shown *shown = screen != NULL ? malloc(sizeof *shown) : NULL;
    if (shown != NULL) {
        shown->json = screen;
        pl_count_init(&shown->count);
    } else {
        json_decref(screen);
    }
    pl_shown_release(state->shown);
    state->shown = shown;
}

void pl_state_share_screen(pl_state *to, const pl_state *from)
{
    pl_shown *shown = pl_shown_retain(from->shown);
    pl_shown_release(to->shown);
    to->shown = shown;
}

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

json_t *pl_state_screen_json(const pl_state *state)
{
    const json_t *screen = pl_state_screen(state);
    json_t *json = screen != NULL ? json_deep_copy(screen) : json_object();
    pl_json_set(json, "channel",
                state->channel == SIZE_MAX ? json_null()
                                           : json_integer((json_int_t)state->channel));
    pl_json_set(json, "sweep", state->source != NULL ? sweep_json(state) : json_null());
    return json;
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

void pl_state_screen_restore(pl_state *state, const json_t *json)
{
    static const char *const ours[] = {"channel", "sweep", "pins"};
    const json_t *channel = json_object_get(json, "channel");
    json_int_t at = json_integer_value(channel);
    state->channel = json_is_integer(channel) && at >= 0 ? (size_t)at : SIZE_MAX;
    if (json_is_object(json_object_get(json, "sweep"))) {
        read_sweep(state, json_object_get(json, "sweep"));
    }
    json_t *screen = json_is_object(json) ? json_deep_copy(json) : NULL;
    for (size_t i = 0; screen != NULL && i < sizeof ours / sizeof ours[0]; i++) {
        json_object_del(screen, ours[i]);
    }
    pl_state_set_screen(state, screen);
}
