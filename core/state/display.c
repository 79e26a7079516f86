/* What the screen shows of a state: panes, pins, the last sweep. */
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

size_t pl_display_pane_find(const char *name)
{
    size_t pane = 0;
    while (pane < PL_DISPLAY_PANES && strcmp(pane_names[pane], name) != 0) {
        pane++;
    }
    return pane;
}

/* "astro beta=0.0003 > gptq bits=3": each method with the parameter one looks for first. */
static void put_label(const pl_pin *pin, pl_buf *out)
{
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = &pin->slots[slot];
        if (spec->method == NULL) {
            continue;
        }
        pl_buf_printf(out, "%s%s", out->size > 0 ? " > " : "", spec->method->name);
        const size_t telling = pl_method_telling(spec->method);
        if (telling != SIZE_MAX) {
            pl_buf_printf(out, " %s=", spec->method->params[telling].name);
            pl_spec_format_value(spec, telling, out);
        }
    }
}

static pl_status label_pin(pl_pin *pin, pl_error *err)
{
    pl_buf label = {0};
    put_label(pin, &label);
    pl_status status = pl_buf_check(&label, err);
    if (status == PL_OK) {
        snprintf(pin->label, sizeof pin->label, "%s", label.data);
        pl_text_trim_utf8(pin->label);
    }
    pl_buf_deinit(&label);
    return status;
}

pl_status pl_state_pin(pl_state *state, pl_error *err)
{
    if (state->source == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "pin: no model is open");
    }
    const char *name = pl_model_layer(state->source->model, state->layer)->name;
    const pl_id *result = pl_state_result(state, state->layer);
    if (result == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "pin: %s is not solved, `solve` first", name);
    }
    if (pl_state_is_imported(state, state->layer)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "pin: %s is imported; a baseline is a result of methods", name);
    }
    for (size_t i = 0; i < state->n_pins; i++) {
        if (state->pins[i].layer == state->layer && pl_id_equal(state->pins[i].result, *result)) {
            return PL_OK;
        }
    }
    if (state->n_pins == PL_MAX_PINS) {
        return pl_error_set(err, PL_ERR_STATE,
                            "pin: all %d baselines are set, `unpin` takes one away", PL_MAX_PINS);
    }
    pl_pin pin = {.layer = state->layer,
                  .result = *result,
                  .sequential = state->solved[state->layer].sequential};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        pin.slots[slot] = *pl_state_spec(state, state->layer, slot);
    }
    pl_status status = label_pin(&pin, err);
    if (status == PL_OK) {
        state->pins[state->n_pins++] = pin;
    }
    return status;
}

pl_status pl_state_unpin(pl_state *state, size_t index, pl_error *err)
{
    if (index == SIZE_MAX) {
        state->n_pins = 0;
        return PL_OK;
    }
    if (index >= state->n_pins) {
        return pl_error_set(err, PL_ERR_USAGE, "unpin: there is no baseline %zu, %zu are set",
                            index + 1, state->n_pins);
    }
    state->n_pins--;
    memmove(&state->pins[index], &state->pins[index + 1],
            (state->n_pins - index) * sizeof *state->pins);
    return PL_OK;
}

void pl_pin_commands(const pl_state *state, size_t layer, pl_buf *out)
{
    bool filled[PL_SLOT_COUNT] = {false};
    bool first = true;
    for (size_t i = 0; i < state->n_pins; i++) {
        const pl_pin *pin = &state->pins[i];
        if (pin->layer != layer) {
            continue;
        }
        if (first) {
            pl_buf_printf(out, "select %s\n", pl_model_layer(state->source->model, layer)->name);
            first = false;
        }
        for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
            const pl_spec *spec = &pin->slots[slot];
            if (spec->method != NULL) {
                pl_buf_puts(out, "method ");
                pl_spec_format(spec, out);
                pl_buf_puts(out, "\n");
            } else if (filled[slot]) {
                pl_buf_printf(out, "method none slot=%s\n", pl_slot_name(slot));
            }
            filled[slot] = spec->method != NULL;
        }
        pl_buf_puts(out, pin->sequential ? "solve all\npin\n" : "solve\npin\n");
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *pin_json(const pl_state *state, const pl_pin *pin)
{
    json_t *slots = json_array();
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        pl_buf text = {0};
        if (pin->slots[slot].method != NULL) {
            pl_spec_format(&pin->slots[slot], &text);
        }
        pl_json_append(slots, json_string(text.data != NULL ? text.data : ""));
        pl_buf_deinit(&text);
    }
    char id[PL_ID_TEXT];
    pl_id_format(pin->result, id);
    return json_pack("{s:s, s:s, s:o, s:b}", "layer",
                     pl_model_layer(state->source->model, pin->layer)->name, "result", id, "slots",
                     slots, "sequential", (int)pin->sequential);
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
    json_t *pins = json_array();
    for (size_t i = 0; i < state->n_pins; i++) {
        pl_json_append(pins, pin_json(state, &state->pins[i]));
    }
    json_t *channel =
        state->channel == SIZE_MAX ? json_null() : json_integer((json_int_t)state->channel);
    return json_pack("{s:o, s:b, s:s, s:o, s:o, s:o}", "panes", panes, "split", (int)display->split,
                     "zoom", display->zoom, "channel", channel, "pins", pins, "sweep",
                     state->source != NULL ? sweep_json(state) : json_null());
}

static void copy_name(const json_t *value, char out[PL_VIEW_NAME])
{
    const char *text = json_string_value(value);
    if (text != NULL && strlen(text) < PL_VIEW_NAME) {
        snprintf(out, PL_VIEW_NAME, "%s", text);
    }
}

static bool read_pin(const pl_state *state, const json_t *json, pl_pin *pin)
{
    *pin = (pl_pin){.sequential = json_is_true(json_object_get(json, "sequential"))};
    const char *layer = json_string_value(json_object_get(json, "layer"));
    const char *result = json_string_value(json_object_get(json, "result"));
    bool read = layer != NULL && result != NULL && pl_id_parse(result, &pin->result) &&
                pl_model_find_layer(state->source->model, layer, &pin->layer, NULL) == PL_OK;
    for (pl_slot slot = 0; read && slot < PL_SLOT_COUNT; slot++) {
        const char *text =
            json_string_value(json_array_get(json_object_get(json, "slots"), (size_t)slot));
        read = text != NULL && pl_spec_parse(text, &pin->slots[slot], NULL) == PL_OK;
    }
    return read && label_pin(pin, NULL) == PL_OK;
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
    json_array_foreach(json_object_get(json, "pins"), index, item)
    {
        if (state->n_pins < PL_MAX_PINS && read_pin(state, item, &state->pins[state->n_pins])) {
            state->n_pins++;
        }
    }
    if (json_is_object(json_object_get(json, "sweep"))) {
        read_sweep(state, json_object_get(json, "sweep"));
    }
}
