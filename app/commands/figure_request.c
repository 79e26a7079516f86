/* From a line's words and keys to a figure's request, options and page. */
#include "app/commands/figure_file.h"

#include "app/commands/parts.h"
#include "app/usage.h"
#include "core/base/nearest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static pl_status unknown_kind(const char *command, const char *name, pl_error *err)
{
    pl_buf names = {0};
    pl_nearest near = pl_nearest_to(name);
    char hint[PL_NEAREST_HINT];
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        pl_nearest_try(&near, (*kind)->name);
        pl_buf_printf(&names, "%s%s",
                      names.size == 0   ? ""
                      : kind[1] == NULL ? " or "
                                        : ", ",
                      (*kind)->name);
    }
    pl_status status = pl_error_set(
        err, PL_ERR_USAGE, "%s: no figure is named \"%s\", expected %s%s", command, name,
        names.data != NULL ? names.data : "another", pl_nearest_hint(&near, " (", ")", hint));
    pl_buf_deinit(&names);
    return status;
}

/* Keys that only some kinds use. */
static pl_status check_keys(const pl_call *call, const pl_kind *kind, pl_error *err)
{
    static const struct {
        const char *key;
        unsigned uses;
    } keys[] = {
        {"side", PL_USES_SIDE},      {"which", PL_USES_WHICH},       {"order", PL_USES_ORDER},
        {"scale", PL_USES_SCALE},    {"pins", PL_USES_PINS},         {"channel", PL_USES_CHANNEL},
        {"lines", PL_USES_SETTINGS}, {"settings", PL_USES_SETTINGS}, {"role", PL_USES_SETTINGS}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (pl_call_value(call, keys[i].key) != NULL && (kind->uses & keys[i].uses) == 0) {
            return pl_error_set(err, PL_ERR_USAGE, "%s %s: %s= means nothing in this figure",
                                call->command->name, kind->name, keys[i].key);
        }
    }
    if (pl_call_value(call, "form") != NULL && kind->forms == NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "%s %s: this figure has one form only",
                            call->command->name, kind->name);
    }
    return PL_OK;
}

static pl_status read_form(const pl_call *call, const pl_kind *kind, int *out, pl_error *err)
{
    const char *text = pl_call_value(call, "form");
    const char *form = kind->forms;
    if (text == NULL) {
        return PL_OK;
    }
    for (int i = 0; form != NULL && *form != '\0'; i++) {
        size_t length = strcspn(form, "|");
        if (strlen(text) == length && strncmp(form, text, length) == 0) {
            *out = i;
            return PL_OK;
        }
        form += length;
        form += *form == '|';
    }
    return pl_error_set(err, PL_ERR_USAGE, "%s %s: form=%s: expected one of %s",
                        call->command->name, kind->name, text, kind->forms);
}

static pl_status read_channel(const pl_call *call, const pl_state *state, pl_request *out,
                              pl_error *err)
{
    if (pl_call_value(call, "channel") == NULL) {
        return PL_OK;
    }
    size_t cols = pl_model_layer(state->source->model, out->layer)->cols;
    return pl_usage_size(call, "channel", 0, cols - 1, &out->channel, err);
}

static pl_status read_short(const pl_call *call, const char *key, char *out, size_t capacity,
                            pl_error *err)
{
    const char *text = pl_call_value(call, key);
    if (text != NULL && (text[0] == '\0' || strlen(text) >= capacity)) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: %s= has %zu bytes, expected 1 to %zu",
                            call->command->name, key, strlen(text), capacity - 1);
    }
    snprintf(out, capacity, "%s", text != NULL ? text : "");
    return PL_OK;
}

/* lines=, settings= and role=. */
static pl_status read_lines_options(const pl_call *call, const pl_kind *kind, pl_request *out,
                                    pl_error *err)
{
    size_t lines = 0;
    out->settings[0] = out->role[0] = '\0';
    if ((kind->uses & PL_USES_SETTINGS) == 0) {
        return PL_OK;
    }
    pl_status status = pl_usage_choice(call, "lines", &lines, err);
    PL_THEN(read_short(call, "settings", out->settings, sizeof out->settings, err));
    PL_THEN(read_short(call, "role", out->role, sizeof out->role, err));
    out->lines = (pl_lines)lines;
    if (status == PL_OK && out->lines == PL_LINES_ROLE && out->settings[0] != '\0') {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "%s %s: settings= has a line for each setting, lines=role for each "
                              "role of the present one: expected one of the two",
                              call->command->name, kind->name);
    }
    return status;
}

pl_status pl_figure_request(const pl_call *call, size_t first, const pl_state *state,
                            pl_request *out, pl_error *err)
{
    size_t side = 0;
    size_t sorted = 0;
    size_t log = 0;
    size_t pins = 0;
    *out = (pl_request){0};
    const pl_kind *kind = pl_kind_find(call->words[first]);
    if (kind == NULL) {
        return unknown_kind(call->command->name, call->words[first], err);
    }
    *out = pl_request_of(state, kind);
    out->channel = SIZE_MAX;
    pl_status status = check_keys(call, kind, err);
    PL_THEN(pl_target_layer(call, state, first + 1, &out->layer, err));
    size_t which = status == PL_OK && pl_state_result(state, out->layer) != NULL ? PL_WHICH_BOTH
                                                                                 : PL_WHICH_BEFORE;
    static const char *const keys[] = {"side", "which", "order", "scale", "pins"};
    size_t *const values[] = {&side, &which, &sorted, &log, &pins};
    for (size_t i = 0; status == PL_OK && i < sizeof keys / sizeof *keys; i++) {
        status = pl_usage_choice(call, keys[i], values[i], err);
    }
    PL_THEN(read_lines_options(call, kind, out, err));
    PL_THEN(read_form(call, kind, &out->form, err));
    PL_THEN(read_channel(call, state, out, err));
    out->side = (pl_side)side;
    out->any_side = pl_call_value(call, "side") == NULL;
    out->which = (pl_which)which;
    if ((kind->uses & PL_USES_TURNED) != 0 && out->side == PL_SIDE_INPUT &&
        pl_call_value(call, "which") == NULL) {
        out->which = PL_WHICH_BOTH; /* a transform needs no solve */
    }
    out->sorted = sorted != 0;
    out->log = log != 0;
    out->pins = pins != 0;
    out->paper = true;
    out->free_scale = pl_call_value(call, "scale") == NULL;
    pl_request_settle(state, out);
    return status;
}

pl_status pl_figure_options_of(const pl_call *call, bool of_panel, pl_figure_options *out,
                               pl_buf *keys, pl_error *err)
{
    *out = (pl_figure_options){0};
    pl_status status = PL_OK;
    const pl_option_row *row = NULL;
    for (size_t i = 0; status == PL_OK && (row = pl_figure_option(i)) != NULL; i++) {
        const char *value = pl_call_value(call, row->name);
        if (value == NULL) {
            continue;
        }
        if (of_panel && row->whole) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "%s= belongs to the whole figure, behind its panels", row->name);
        }
        status = pl_figure_option_read(out, i, value, err);
        pl_buf_printf(keys, " %s=", row->name);
        pl_command_quote(value, keys);
    }
    if (status != PL_OK && !of_panel) {
        pl_error_prefix(err, "%s: ", call->command->name);
    }
    return status;
}

/* Widths that journals and conferences ask for: a column, or the whole page. */
static const struct {
    const char *name;
    double width_in, single; /* height over width of one figure */
} presets[] = {
    {"icml", 3.25, 0.75},        {"icml2", 6.75, 0.5},         {"neurips", 5.5, 0.6},
    {"nature", 89 / 25.4, 0.75}, {"nature2", 183 / 25.4, 0.5}, {"acl", 7.7 / 2.54, 0.75},
    {"acl2", 16 / 2.54, 0.5},    {"slide", 10, 0.5625},
};

/* Rows of panels, inches: three quarters of a panel's width, but high enough for its texts and a
 * legend below, unless it is too narrow for them anyway. */
static double height_of_rows(double width_in, size_t rows, size_t cols)
{
    const double narrow = 1.25, least = 1.5;
    const double panel = width_in / (double)cols;
    return (double)rows * fmax(0.75 * panel, panel >= narrow ? least : 0);
}

pl_status pl_figure_page(const pl_call *call, size_t rows, size_t cols, pl_page *out, pl_error *err)
{
    *out = (pl_page){0};
    size_t preset = 0;
    pl_status status = pl_usage_choice(call, "preset", &preset, err);
    bool chosen = pl_call_value(call, "preset") != NULL && preset > 0;
    PL_THEN(pl_usage_inches(call, "width", &out->width_in, err));
    PL_THEN(pl_usage_inches(call, "height", &out->height_in, err));
    PL_THEN(pl_usage_real(call, "dpi", 30, 2400, &out->dpi, err));
    if (chosen && pl_call_value(call, "width") == NULL) {
        out->width_in = presets[preset - 1].width_in;
    }
    if ((chosen || rows * cols > 1 || pl_call_value(call, "width") != NULL) &&
        pl_call_value(call, "height") == NULL) {
        const double single = chosen ? presets[preset - 1].single : 0.75; /* as the default has */
        const double height =
            rows * cols > 1 ? height_of_rows(out->width_in, rows, cols) : out->width_in * single;
        out->height_in = fmin(height, 9.0);
    }
    return status;
}
