#include "plots/kinds.h"

#include "core/state/kept.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    const bool alone = request->lines == PL_LINES_SETTING || !has_results(state);
    if (count > 1 || (count == 1 && alone)) {
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

bool pl_request_shows_costs(const pl_request *request)
{
    const unsigned costs = PL_USES_METHODS | PL_USES_COSTS;
    return (request->kind->uses & costs) == costs;
}

bool pl_request_uses_methods(const pl_request *request)
{
    const pl_kind *kind = request->kind;
    return ((kind->uses & PL_USES_METHODS) != 0 && !goes_over_layers(request) &&
            (kind->methods_form == NULL || has_form(request, kind->methods_form))) ||
           pl_request_turns_inputs(request);
}

void pl_request_keys(const pl_request *request, pl_buf *out)
{
    const pl_kind *kind = request->kind;
    if ((kind->uses & PL_USES_SIDE) != 0 && (kind->row == NULL || !request->any_side)) {
        pl_buf_printf(out, " side=%s", pl_side_name(request->side));
    }
    if ((kind->uses & PL_USES_WHICH) != 0 &&
        (request->side == PL_SIDE_WEIGHT || kind->row != NULL ||
         pl_request_turns_inputs(request))) {
        pl_buf_printf(out, " which=%s", pl_which_name(request->which));
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
