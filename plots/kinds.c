#include "plots/kinds.h"

#include "core/state/kept.h"
#include "plots/label.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND_ENTRY(name) &pl_kind_##name,
static const pl_kind *const table[] = {PL_KINDS(KIND_ENTRY) NULL};
#undef KIND_ENTRY

const pl_kind *const *pl_kinds(void)
{
    return table;
}

const pl_kind *pl_kind_find(const char *name)
{
    for (size_t i = 0; table[i] != NULL; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}

pl_request pl_request_of(const pl_state *state, const pl_kind *kind)
{
    pl_request request = {.kind = kind,
                          .layer = state->layer,
                          .side = state->side,
                          .which = state->which,
                          .pins = state->n_kept > 0,
                          .channel = state->channel};
    if (state->source == NULL || pl_state_result(state, state->layer) == NULL) {
        request.which = PL_WHICH_BEFORE;
    }
    if ((kind->uses & PL_USES_TURNED) != 0 && request.side == PL_SIDE_INPUT) {
        request.which = state->which; /* a transform needs no solve */
    }
    pl_request_settle(state, &request);
    return request;
}

static bool has_results(const pl_state *state)
{
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        if (pl_state_result(state, i) != NULL) {
            return true;
        }
    }
    return false;
}

/* Whether the present setting, with its results, is one of those with a name. */
static bool is_kept(const pl_state *state)
{
    const pl_id setting = state->n_kept > 0 ? pl_state_setting(state) : (pl_id){0};
    bool kept = false;
    for (size_t i = 0; i < state->n_kept; i++) {
        kept = kept ||
               (state->kept[i]->name[0] != '\0' && pl_id_equal(state->kept[i]->setting, setting));
    }
    return kept;
}

/* The kept settings that have a name and results, then the present one where it has some. */
static void find_settings(const pl_state *state, pl_request *request)
{
    pl_buf list = {0};
    size_t count = 0;
    for (size_t i = 0; i < state->n_kept; i++) {
        if (state->kept[i]->name[0] != '\0' && has_results(&state->kept[i]->is)) {
            pl_buf_printf(&list, "%s%s", count++ > 0 ? "," : "", state->kept[i]->name);
        }
    }
    if (count < PL_MAX_KEPT && has_results(state) && !is_kept(state)) {
        pl_buf_printf(&list, "%snow", count++ > 0 ? "," : "");
    }
    if (count > 1 || (count == 1 && request->lines == PL_LINES_SETTING)) {
        snprintf(request->settings, sizeof request->settings, "%s",
                 list.data != NULL && list.size < sizeof request->settings ? list.data : "");
    }
    pl_buf_deinit(&list);
}

void pl_request_settle(const pl_state *state, pl_request *request)
{
    if ((request->kind->uses & PL_USES_SETTINGS) != 0 && request->settings[0] == '\0' &&
        request->lines != PL_LINES_ROLE && state->source != NULL) {
        find_settings(state, request);
    }
    if ((request->kind->uses & PL_USES_TURNED) != 0 && request->side == PL_SIDE_INPUT &&
        state->source != NULL) {
        const bool has = pl_state_spec(state, request->layer, PL_SLOT_TRANSFORM)->method != NULL;
        request->which = has && request->which != PL_WHICH_BEFORE ? PL_WHICH_BOTH : PL_WHICH_BEFORE;
    }
}

bool pl_request_turns_inputs(const pl_request *request)
{
    return (request->kind->uses & PL_USES_TURNED) != 0 && request->side == PL_SIDE_INPUT &&
           request->which == PL_WHICH_BOTH && request->form == 0;
}

/* The form's name: item `form` of "maxima|fan". */
static int form_name(const pl_kind *kind, int form, const char **name)
{
    const char *s = kind->forms;
    for (; form > 0 && s != NULL; form--) {
        s = strchr(s, '|');
        s = s != NULL ? s + 1 : NULL;
    }
    *name = s;
    return s != NULL ? (int)strcspn(s, "|") : 0;
}

static bool has_form(const pl_request *request, const char *wanted)
{
    const char *form = NULL;
    const int length = form_name(request->kind, request->form, &form);
    return wanted != NULL && (size_t)length == strlen(wanted) &&
           strncmp(form, wanted, (size_t)length) == 0;
}

/* Over the depth, boxes are of the original weights, whatever the methods. */
static bool goes_over_layers(const pl_request *request)
{
    return has_form(request, request->kind->depth_form);
}

bool pl_request_wants_result(const pl_request *request)
{
    unsigned uses = request->kind->uses;
    bool input = (uses & PL_USES_SIDE) != 0 && request->side == PL_SIDE_INPUT;
    return (uses & PL_NEEDS_SOLVED) != 0 || ((uses & PL_USES_SOLVED) != 0 && !input) ||
           ((uses & PL_USES_WHICH) != 0 && request->which != PL_WHICH_BEFORE && !input &&
            !goes_over_layers(request));
}

bool pl_request_uses_methods(const pl_request *request)
{
    const pl_kind *kind = request->kind;
    return ((kind->uses & PL_USES_METHODS) != 0 && !goes_over_layers(request) &&
            (kind->methods_form == NULL || has_form(request, kind->methods_form))) ||
           pl_request_turns_inputs(request);
}

static const char *const side_names[] = {"weight", "input"};
static const char *const which_names[] = {"before", "preconditioned", "after", "both"};

void pl_request_keys(const pl_request *request, pl_buf *out)
{
    const pl_kind *kind = request->kind;
    if ((kind->uses & PL_USES_SIDE) != 0 && (kind->row == NULL || !request->any_side)) {
        pl_buf_printf(out, " side=%s", side_names[request->side]);
    }
    if ((kind->uses & PL_USES_WHICH) != 0 &&
        (request->side == PL_SIDE_WEIGHT || kind->row != NULL ||
         pl_request_turns_inputs(request))) {
        pl_buf_printf(out, " which=%s", which_names[request->which]);
    }
    if ((kind->uses & PL_USES_ORDER) != 0) {
        pl_buf_printf(out, " order=%s", request->sorted ? "sorted" : "index");
    }
    if ((kind->uses & PL_USES_SCALE) != 0 && !request->free_scale) {
        pl_buf_printf(out, " scale=%s", request->log ? "log" : "linear");
    }
    if (kind->forms != NULL) {
        const char *name = NULL;
        int length = form_name(kind, request->form, &name);
        pl_buf_printf(out, " form=%.*s", length, name);
    }
    if ((kind->uses & PL_USES_SETTINGS) != 0) {
        if (request->settings[0] != '\0') {
            pl_buf_printf(out, " settings=%s", request->settings);
        } else {
            pl_buf_puts(out, " lines=role");
        }
        pl_buf_printf(out, "%s%s", request->role[0] != '\0' ? " role=" : "", request->role);
    }
    if ((kind->uses & PL_USES_PINS) != 0 && request->pins) {
        pl_buf_puts(out, " pins=yes");
    }
    if ((kind->uses & PL_USES_CHANNEL) != 0 && request->channel != SIZE_MAX) {
        pl_buf_printf(out, " channel=%zu", request->channel);
    }
}

pl_status pl_kind_make(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    *out = (pl_figure){0};
    const pl_kind *kind = request->kind;
    const char *name = NULL;
    if (cx.state->source == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "%s: no model is open", kind->name);
    }
    if (request->form < 0 || (request->form > 0 && form_name(kind, request->form, &name) == 0)) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: there is no form %d", kind->name,
                            request->form);
    }
    pl_status status = kind->make(cx, request, out, err);
    PL_THEN(pl_figure_check(out, err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
    }
    return status;
}

void pl_kind_layer_title(const pl_state *state, size_t layer, pl_buf *out)
{
    char name[128];
    pl_layer_short(pl_model_layer(state->source->model, layer), false, name, sizeof name);
    pl_buf_puts(out, name);
}

size_t pl_kind_whichs(const pl_state *state, const pl_request *request, pl_which out[2])
{
    if (request->which != PL_WHICH_BOTH) {
        out[0] = request->which;
        return 1;
    }
    bool moved = pl_state_spec(state, request->layer, PL_SLOT_PRECONDITION)->method != NULL;
    out[0] = PL_WHICH_BEFORE;
    out[1] = moved ? PL_WHICH_PRECONDITIONED : PL_WHICH_AFTER;
    return 2;
}

pl_tone pl_kind_tone(pl_which which)
{
    return which == PL_WHICH_BEFORE           ? PL_TONE_BEFORE
           : which == PL_WHICH_PRECONDITIONED ? PL_TONE_PRECONDITIONED
                                              : PL_TONE_AFTER;
}

/* "3e-4" for 0.0003; larger numbers as `usual` has them. */
static void put_strength(double value, const char *usual, pl_buf *out)
{
    char text[32];
    if (value > 0 && value < 1e-2) {
        snprintf(text, sizeof text, "%.2e", value);
        char *e = strchr(text, 'e');
        char *end = e;
        while (end > text && (end[-1] == '0' || end[-1] == '.')) {
            end--;
            if (*end == '.') {
                break;
            }
        }
        pl_buf_printf(out, "%.*se%d", (int)(end - text), text, atoi(e + 1));
        return;
    }
    pl_buf_puts(out, usual);
}

/* A parameter's sign: its own, the Greek letter of its name, or its name. */
static void put_symbol(const char *symbol, const char *name, pl_buf *out)
{
    pl_buf typed = {0}, letter = {0};
    pl_buf_printf(&typed, "\\%s", name);
    const bool greek = !typed.failed && pl_label_read(typed.data, &letter, NULL) == PL_OK;
    pl_buf_puts(out, symbol != NULL ? symbol : greek ? letter.data : name);
    pl_buf_deinit(&typed);
    pl_buf_deinit(&letter);
}

/* One word of a chain; *method is the one that keys behind it are of. */
static void put_chain_word(const char *word, size_t length, const pl_method **method, pl_buf *out)
{
    char text[64];
    const size_t cut = length < sizeof text ? length : sizeof text - 1;
    snprintf(text, sizeof text, "%.*s", (int)cut, word);
    const pl_method *found = pl_method_find(text);
    char *equals = strchr(text, '=');
    if (found != NULL) {
        *method = found;
        pl_buf_puts(out, found->title != NULL ? found->title : found->name);
    } else if (strcmp(text, ">") == 0) {
        pl_buf_puts(out, "+");
    } else if (equals != NULL && *method != NULL) {
        *equals = '\0';
        const size_t param = pl_method_param(*method, text);
        const char *symbol = param != SIZE_MAX ? (*method)->params[param].symbol : NULL;
        if ((*method)->slot == PL_SLOT_ROUND && param == PL_GRID_BITS) {
            out->size -= out->size > 0 ? 1 : 0; /* the blank */
            pl_buf_printf(out, ", W%s", equals + 1);
        } else {
            put_symbol(symbol, text, out);
            pl_buf_puts(out, " = ");
            put_strength(strtod(equals + 1, NULL), equals + 1, out);
        }
    } else {
        pl_buf_append(out, word, length);
    }
}

void pl_kind_in_full(const char *chain, pl_buf *out)
{
    const pl_method *method = NULL;
    for (const char *c = chain; *c != '\0';) {
        size_t length = strcspn(c, " ");
        put_chain_word(c, length, &method, out);
        c += length;
        pl_buf_puts(out, *c != '\0' ? " " : "");
        c += *c != '\0' ? 1 : 0;
    }
    pl_buf_puts(out, "");
}

static void put_in_full(const pl_spec *spec, pl_buf *out)
{
    const size_t telling = pl_spec_telling(spec);
    pl_buf_puts(out, spec->method->title != NULL ? spec->method->title : spec->method->name);
    if (spec->method->slot == PL_SLOT_PRECONDITION && telling != SIZE_MAX) {
        const pl_param *param = &spec->method->params[telling];
        pl_buf_puts(out, " ");
        put_symbol(param->symbol, param->name, out);
        pl_buf_puts(out, " = ");
        pl_buf usual = {0};
        pl_spec_format_value(spec, telling, &usual);
        put_strength(spec->values[telling], usual.data != NULL ? usual.data : "", out);
        pl_buf_deinit(&usual);
    }
}

static void put_full_label(const pl_state *state, size_t layer, bool rounded, pl_buf *out)
{
    size_t count = 0;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = pl_state_spec(state, layer, slot);
        if (spec->method != NULL && (slot != PL_SLOT_ROUND || rounded)) {
            pl_buf_puts(out, count++ > 0 ? " + " : "");
            put_in_full(spec, out);
        }
    }
    if (rounded) {
        pl_buf_printf(out, ", W%g",
                      pl_state_spec(state, layer, PL_SLOT_ROUND)->values[PL_GRID_BITS]);
    } else if (count == 0) {
        pl_buf_puts(out, "no preconditioner: original");
    }
}

void pl_kind_label(const pl_state *state, size_t layer, pl_which which, bool paper, pl_buf *out)
{
    const pl_spec *first = pl_state_spec(state, layer, PL_SLOT_PRECONDITION);
    const pl_spec *last = pl_state_spec(state, layer, PL_SLOT_ROUND);
    bool rounded = which == PL_WHICH_AFTER && last->method != NULL;
    if (which == PL_WHICH_BEFORE) {
        pl_buf_puts(out, "before");
        return;
    }
    if (pl_state_result(state, layer) == NULL) {
        pl_buf_printf(out, "%s (not solved)", which_names[which]);
        return;
    }
    if (paper) {
        put_full_label(state, layer, rounded, out);
        return;
    }
    if (first->method != NULL) {
        pl_buf_puts(out, first->method->name);
        const size_t telling = pl_spec_telling(first);
        if (!rounded && telling != SIZE_MAX) {
            const pl_param *param = &first->method->params[telling];
            pl_buf_printf(out, ", %s = ", param->symbol != NULL ? param->symbol : param->name);
            pl_spec_format_value(first, telling, out);
        }
    }
    if (rounded) {
        pl_buf_printf(out, "%s%s, %g bits", first->method != NULL ? " + " : "", last->method->name,
                      last->values[PL_GRID_BITS]);
    } else if (first->method == NULL) {
        pl_buf_puts(out, "no preconditioner: original");
    }
}
