#include "plots/drawn.h"

#include "core/lab/weights.h"
#include "core/state/kept.h"
#include "plots/build.h"

#include "core/metrics/spread.h"

#include <stdio.h>
#include <string.h>

enum { GROUP_SIZE = 128 }; /* of the papers, where no method says another */

void pl_drawn_set_own(const pl_state *state, const pl_request *request, pl_which which,
                      pl_drawn *out)
{
    const bool solved = pl_state_result(state, request->layer) != NULL;
    pl_buf label = {0};
    *out = (pl_drawn){.which = solved ? which : PL_WHICH_BEFORE};
    out->tone = pl_kind_tone(out->which);
    pl_kind_label(state, request->layer, which, request->paper, &label);
    snprintf(out->label, sizeof out->label, "%s", label.data != NULL ? label.data : "");
    pl_text_trim_utf8(out->label);
    pl_buf_deinit(&label);
    const char *suffix = out->which == PL_WHICH_BEFORE           ? ""
                         : out->which == PL_WHICH_PRECONDITIONED ? "_preconditioned"
                                                                 : "_after";
    snprintf(out->suffix, sizeof out->suffix, "%s", suffix);
}

static void add_own(pl_drawn_list *list, const pl_state *state, const pl_request *request,
                    pl_which which)
{
    pl_drawn_set_own(state, request, which, &list->items[list->count++]);
}

/* A pin shows what the figure shows of the state: rounded weights only beside rounded ones. */
static void add_pins(pl_lab *lab, const pl_state *state, const pl_request *request, pl_which last,
                     pl_drawn_list *list)
{
    for (size_t i = 0; request->pins && i < state->n_kept; i++) {
        const pl_pin *pin = pl_kept_pin(state->kept[i], request->layer);
        pl_solve_report report;
        if (pin == NULL) {
            continue;
        }
        if (pl_result_report(lab, state, pin->layer, pin->result, &report, NULL) != PL_OK) {
            list->lost++;
            continue;
        }
        const pl_state *is = &pin->of->is;
        bool moved = pl_state_spec(is, pin->layer, PL_SLOT_PRECONDITION)->method != NULL;
        pl_drawn *drawn = &list->items[list->count++];
        *drawn = (pl_drawn){.pin = pin, .tone = (pl_tone)(PL_TONE_EXTRA + i)};
        drawn->which = last == PL_WHICH_AFTER || !moved ? PL_WHICH_AFTER : PL_WHICH_PRECONDITIONED;
        /* "astro beta=0.001 > gptq bits=3": its rounder has no part in preconditioned weights. */
        size_t length = strlen(pin->label);
        const char *rounder = strrchr(pin->label, '>');
        if (drawn->which == PL_WHICH_PRECONDITIONED && rounder != NULL && rounder != pin->label &&
            pl_state_spec(is, pin->layer, PL_SLOT_ROUND)->method != NULL) {
            length = (size_t)(rounder - pin->label) - 1;
        }
        snprintf(drawn->label, sizeof drawn->label, "%.*s", (int)length, pin->label);
        pl_text_trim_utf8(drawn->label);
        if (request->paper) {
            pl_buf full = {0};
            pl_kind_in_full(drawn->label, &full);
            snprintf(drawn->label, sizeof drawn->label, "%s", full.data != NULL ? full.data : "");
            pl_text_trim_utf8(drawn->label);
            pl_buf_deinit(&full);
        }
        snprintf(drawn->suffix, sizeof drawn->suffix, "_pin%zu", i + 1);
    }
}

void pl_drawn_find(pl_lab *lab, const pl_state *state, const pl_request *request,
                   pl_drawn_list *out)
{
    *out = (pl_drawn_list){0};
    pl_which kinds[2];
    size_t n = pl_kind_whichs(state, request, kinds);
    bool solved = pl_state_result(state, request->layer) != NULL;
    if (kinds[0] == PL_WHICH_BEFORE || !solved) {
        add_own(out, state, request, kinds[0]);
    }
    add_pins(lab, state, request, kinds[n - 1], out);
    if (solved && kinds[n - 1] != PL_WHICH_BEFORE) {
        out->live = out->count;
        add_own(out, state, request, kinds[n - 1]);
    }
    out->base = kinds[0] == PL_WHICH_BEFORE || !solved ? 0 : out->live;
}

pl_status pl_drawn_weights(pl_lab *lab, const pl_state *state, size_t layer, const pl_drawn *drawn,
                           pl_mat *w, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_status status = w->data != NULL ? PL_OK : pl_mat_init(w, info->rows, info->cols, err);
    if (status != PL_OK) {
        return status;
    }
    return pl_weights_read((pl_context){lab, state, NULL}, layer,
                           (pl_weights_of){.which = drawn->which, .pin = drawn->pin}, w->data, err);
}

void pl_drawn_facts(const pl_drawn_list *list, pl_figure *figure)
{
    if (list->lost > 0) {
        pl_figure_fact(figure, "pins_lost", "%zu no longer in the store", list->lost);
    }
}

size_t pl_drawn_group_size(const pl_state *state, size_t layer)
{
    return pl_spec_group_size(pl_state_spec(state, layer, PL_SLOT_PRECONDITION),
                              pl_state_spec(state, layer, PL_SLOT_ROUND), GROUP_SIZE);
}

pl_status pl_drawn_group_names(pl_axis *axis, size_t cols, size_t group_size, pl_error *err)
{
    size_t groups = pl_group_count(cols, group_size);
    size_t size = group_size == 0 ? cols : group_size;
    pl_status status = pl_figure_names(axis, groups, err);
    for (size_t k = 0; status == PL_OK && k < groups; k++) {
        char text[64];
        size_t last = cols - k * size < size ? cols : (k + 1) * size;
        snprintf(text, sizeof text, "%zu\u2013%zu", k * size, last - 1);
        status = pl_figure_text(&axis->names[k], text, err);
    }
    return status;
}

pl_status pl_drawn_inputs(pl_context cx, size_t layer, bool with_sample, pl_site_stats *out,
                          pl_error *err)
{
    *out = (pl_site_stats){0};
    pl_id calibration = {0};
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    pl_status status = pl_lab_calibration(cx, &calibration, err);
    PL_THEN(pl_lab_load_site(cx, calibration, info->site, false, with_sample, out, err));
    if (status == PL_OK && out->n != info->cols) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: its stored input statistics are of %zu channels, expected %zu",
                              info->name, out->n, info->cols);
    }
    if (status != PL_OK) {
        pl_site_stats_deinit(out);
        *out = (pl_site_stats){0};
    }
    return status;
}
