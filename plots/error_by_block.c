/* The error of the solved layers over the depth: one line a setting, or one a role. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/state/kept.h"
#include "core/study/sensitivity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_ROUNDED, FORM_ERROR, FORM_OUTPUT, FORM_KL };

static double error_of(const pl_solve_report *report, int form)
{
    return form == FORM_ROUNDED ? report->rounded_relative_error
           : form == FORM_ERROR ? report->relative_error
                                : report->output_error;
}

static const char *error_label(int form)
{
    return form == FORM_ROUNDED
               ? "rounded error \u2016X(\u0174 \u2212 W\u2080)\u1d40\u2016\u00b2 / "
                 "\u2016XW\u2080\u1d40\u2016\u00b2"
           : form == FORM_KL    ? "KL divergence with the layer alone quantized, nats"
           : form == FORM_ERROR ? "error \u2016X(W \u2212 W\u2080)\u1d40\u2016\u00b2 / "
                                  "\u2016XW\u2080\u1d40\u2016\u00b2"
                                : "output error \u2016XW\u2080\u1d40 \u2212 Q(X)\u0174\u1d40\u2016"
                                  "\u00b2 / \u2016XW\u2080\u1d40\u2016\u00b2";
}

/* Sums over the layers of a role in a block: experts are several. */
typedef struct tally {
    double *sum;   /* [roles, blocks] */
    size_t *count; /* [roles, blocks] layers behind it */
    size_t *all;   /* [roles, blocks] layers there are */
    size_t blocks, layers, known;
    const char *names[PL_ROLE_COUNT];
} tally;

/* way: how the settings before were measured, for FORM_KL. */
static pl_status take_reports(pl_context cx, int form, pl_sensitivity_way *way, tally *t,
                              pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    pl_status status = PL_OK;
    t->layers = pl_model_layer_count(model);
    t->blocks = pl_overview_blocks(model);
    t->sum = calloc(PL_ROLE_COUNT * t->blocks + 1, sizeof *t->sum);
    t->count = calloc(PL_ROLE_COUNT * t->blocks + 1, sizeof *t->count);
    t->all = calloc(PL_ROLE_COUNT * t->blocks + 1, sizeof *t->all);
    if (t->sum == NULL || t->count == NULL || t->all == NULL) {
        return pl_error_memory(err, "a figure");
    }
    if (form == FORM_KL) {
        status = pl_sensitivity_look(cx, 0, t->layers, err);
    }
    for (size_t i = 0; status == PL_OK && i < t->layers; i++) {
        const pl_layer *info = pl_model_layer(model, i);
        const pl_id *result = pl_state_result(cx.state, i);
        pl_solve_report report;
        double error = NAN;
        if (result != NULL && form == FORM_KL) {
            error = pl_sensitivity_of_result(cx.lab, cx.state, *result);
        } else if (result != NULL) {
            status = pl_result_report(cx.lab, cx.state, i, *result, &report, err);
            error = status == PL_OK ? error_of(&report, form) : NAN;
        }
        const size_t at = (size_t)info->role * t->blocks + info->block;
        t->names[info->role] = info->brief != NULL ? "matrices" : pl_overview_kind(info);
        t->all[at]++;
        if (isfinite(error)) {
            t->sum[at] += error;
            t->count[at]++;
            t->known++;
        }
        PL_THEN(pl_task_tick(cx.task, err));
    }
    return status == PL_OK && form == FORM_KL
               ? pl_sensitivity_check(cx.lab, cx.state, "error_by_block", false, way, err)
               : status;
}

static void tally_deinit(tally *t)
{
    free(t->sum);
    free(t->count);
    free(t->all);
}

static pl_status say_unknown(int form, pl_error *err)
{
    if (form == FORM_KL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "error_by_block: what the layers cost the model is not measured: "
                            "`solve all`, then `sensitivity`");
    }
    return pl_error_set(err, PL_ERR_STATE,
                        "error_by_block: no layer has %s with the present methods, `solve all` "
                        "first",
                        form == FORM_ROUNDED ? "a rounded error"
                        : form == FORM_ERROR ? "an error"
                                             : "an output error");
}

/* Whether a role is drawn: PL_ROLE_COUNT draws all. */
static bool is_drawn(size_t role, size_t only)
{
    return only == PL_ROLE_COUNT || role == only;
}

static pl_status add_role(const tally *t, size_t role, pl_figure *out, pl_error *err)
{
    const double *sum = t->sum + role * t->blocks;
    const size_t *count = t->count + role * t->blocks;
    size_t known = 0, at = 0;
    pl_series *series = NULL;
    for (size_t b = 0; b < t->blocks; b++) {
        known += count[b] > 0;
    }
    if (known == 0) {
        return PL_OK;
    }
    const pl_tone tone = (pl_tone)(PL_TONE_EXTRA + out->n_series % 8);
    pl_status status = pl_figure_add(out, t->names[role], PL_MARK_LINE, tone, known, &series, err);
    for (size_t b = 0; status == PL_OK && b < t->blocks; b++) {
        if (count[b] > 0) {
            series->x[at] = (double)b;
            series->y[at++] = sum[b] / (double)count[b];
        }
    }
    return status;
}

static void add_error_facts(const tally *t, pl_figure *out)
{
    size_t worst = 0;
    for (size_t i = 0; i < PL_ROLE_COUNT * t->blocks; i++) {
        const double mean = t->count[i] > 0 ? t->sum[i] / (double)t->count[i] : -1.0;
        const double most = t->count[worst] > 0 ? t->sum[worst] / (double)t->count[worst] : -1.0;
        worst = mean > most ? i : worst;
    }
    pl_figure_fact(out, "worst", "%.3g: %zu.%s", t->sum[worst] / (double)t->count[worst],
                   worst % t->blocks, t->names[worst / t->blocks]);
    if (t->known < t->layers) {
        pl_figure_fact(out, "not_solved", "%zu of %zu layers: `solve all`", t->layers - t->known,
                       t->layers);
    }
}

/* The role that role= names; PL_ROLE_COUNT: none, all are meant. */
static pl_status find_role(const pl_model *model, const char *name, size_t *out, pl_error *err)
{
    pl_buf known = {0};
    *out = PL_ROLE_COUNT;
    bool seen[PL_ROLE_COUNT] = {false};
    for (size_t i = 0; name[0] != '\0' && i < pl_model_layer_count(model); i++) {
        const pl_layer *info = pl_model_layer(model, i);
        const char *role = pl_text_last_part(pl_overview_layer_name(info));
        if (!seen[info->role]) {
            seen[info->role] = true;
            pl_buf_printf(&known, "%s%s", known.size > 0 ? ", " : "", role);
            *out = strcmp(role, name) == 0 ? (size_t)info->role : *out;
        }
    }
    pl_status status =
        name[0] == '\0' || *out < PL_ROLE_COUNT
            ? PL_OK
            : pl_error_set(err, PL_ERR_USAGE,
                           "error_by_block: role=%s: the model has no such layers, expected one "
                           "of %s",
                           name, known.data != NULL ? known.data : "its roles");
    pl_buf_deinit(&known);
    return status;
}

/* The state in the setting that a piece of settings= names, to *own, which the caller deinits; its
 * label to out. */
static pl_status setting_state(const pl_state *state, const char *name, bool paper, pl_state *own,
                               pl_buf *out, pl_error *err)
{
    size_t index = 0;
    *own = (pl_state){0};
    pl_status status = PL_OK;
    if (strcmp(name, "now") == 0) {
        status = pl_state_copy(own, state, err);
    } else {
        status = pl_state_find_kept(state, "error_by_block", name, &index, err);
        PL_THEN(pl_state_as(state, state->kept[index], own, err));
    }
    if (status != PL_OK) {
        *own = (pl_state){0};
        return status;
    }
    pl_buf chain = {0};
    if (paper && own->n_overrides == 0) {
        pl_state_label(own, SIZE_MAX, &chain);
        pl_kind_in_full(chain.data != NULL ? chain.data : name, out);
    } else {
        pl_buf_puts(out, name);
    }
    pl_buf_deinit(&chain);
    pl_buf_append(out, "", 0);
    return pl_buf_check(out, err);
}

/* The mean over a block's layers, where all of them are known: others are no mean to compare. */
static pl_status add_setting_line(const tally *t, size_t only, const char *label, pl_figure *out,
                                  pl_error *err)
{
    size_t known = 0, points = 0;
    pl_series *series = NULL;
    double *mean = calloc(t->blocks + 1, sizeof *mean);
    if (mean == NULL) {
        return pl_error_memory(err, "a figure");
    }
    for (size_t b = 0; b < t->blocks; b++) {
        size_t have = 0, all = 0;
        for (size_t role = 0; role < PL_ROLE_COUNT; role++) {
            const size_t at = role * t->blocks + b;
            if (is_drawn(role, only)) {
                have += t->count[at];
                all += t->all[at];
                mean[b] += t->sum[at];
            }
        }
        mean[b] = all > 0 && have == all ? mean[b] / (double)all : (double)NAN;
        known += isfinite(mean[b]);
    }
    const pl_tone tone = (pl_tone)(PL_TONE_EXTRA + out->n_series % 8);
    pl_status status =
        known > 0 ? pl_figure_add(out, label, PL_MARK_LINE, tone, known, &series, err) : PL_OK;
    for (size_t b = 0; series != NULL && b < t->blocks; b++) {
        if (isfinite(mean[b])) {
            series->x[points] = (double)b;
            series->y[points++] = mean[b];
        }
    }
    free(mean);
    return status;
}

/* Two settings that are written alike are told apart by their names. */
static pl_status tell_apart(pl_figure *out, const char *label, const char *name, pl_error *err)
{
    pl_series *last = &out->series[out->n_series - 1];
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i + 1 < out->n_series; i++) {
        if (strcmp(out->series[i].label, label) == 0) {
            pl_buf both = {0};
            pl_buf_printf(&both, "%s (%s)", label, name);
            status = pl_buf_check(&both, err);
            PL_THEN(pl_figure_text(&last->label, both.data, err));
            pl_buf_deinit(&both);
            break;
        }
    }
    return status;
}

/* Calls each with every piece of "A,B,now", while that succeeds. */
static pl_status each_setting(const char *list,
                              pl_status (*each)(void *ctx, const char *name, pl_error *err),
                              void *ctx, pl_error *err)
{
    pl_status status = PL_OK;
    for (const char *s = list; status == PL_OK && *s != '\0';) {
        char name[PL_KEPT_NAME];
        const size_t size = strcspn(s, ",");
        snprintf(name, sizeof name, "%.*s", (int)(size < sizeof name ? size : sizeof name - 1), s);
        status = each(ctx, name, err);
        s += size + (s[size] == ',' ? 1 : 0);
    }
    return status;
}

typedef struct lines {
    pl_context cx;
    const pl_request *request;
    size_t role;
    pl_figure *out;
    size_t count;
    pl_sensitivity_way way; /* how what is drawn so far was measured */
} lines;

static pl_status add_one_setting(void *ctx, const char *name, pl_error *err)
{
    lines *l = ctx;
    tally t = {0};
    pl_state own;
    pl_buf label = {0};
    const size_t before = l->out->n_series;
    if (++l->count > PL_MAX_KEPT) {
        return pl_error_set(err, PL_ERR_USAGE, "error_by_block: settings=: at most %d lines",
                            PL_MAX_KEPT);
    }
    pl_status status = setting_state(l->cx.state, name, l->request->paper, &own, &label, err);
    PL_THEN(take_reports(pl_with_state(l->cx, &own), l->request->form, &l->way, &t, err));
    PL_THEN(add_setting_line(&t, l->role, label.data, l->out, err));
    if (status == PL_OK && l->out->n_series > before) {
        status = tell_apart(l->out, label.data, name, err);
    } else if (status == PL_OK) {
        pl_figure_fact(l->out, name, "%s",
                       l->request->form == FORM_KL ? "not drawn, its costs not measured"
                                                   : "not drawn, no block solved whole");
    }
    tally_deinit(&t);
    pl_buf_deinit(&label);
    pl_state_deinit(&own);
    return status;
}

static pl_status add_roles(pl_context cx, const pl_request *request, size_t only, pl_figure *out,
                           pl_error *err)
{
    tally t = {0};
    pl_status status = take_reports(cx, request->form, NULL, &t, err);
    if (status == PL_OK && t.known == 0) {
        status = say_unknown(request->form, err);
    }
    for (size_t role = 0; status == PL_OK && role < PL_ROLE_COUNT; role++) {
        status = is_drawn(role, only) ? add_role(&t, role, out, err) : PL_OK;
    }
    if (status == PL_OK) {
        add_error_facts(&t, out);
    }
    tally_deinit(&t);
    return status;
}

static pl_status make_error_by_block(pl_context cx, const pl_request *request, pl_figure *out,
                                     pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    const bool settings = request->settings[0] != '\0';
    lines l = {.cx = cx, .request = request, .out = out};
    pl_buf title = {0};
    pl_status status = find_role(model, request->role, &l.role, err);
    pl_overview_put_model(model, &title);
    pl_buf_printf(&title, ", %s%s%s",
                  request->form == FORM_KL ? "what each layer costs the model"
                                           : "error of the solved layers",
                  request->role[0] != '\0' ? ", "
                  : settings               ? ", mean of a block"
                                           : "",
                  request->role);
    PL_THEN(pl_buf_check(&title, err));
    PL_THEN(
        pl_figure_texts(out, title.data, pl_overview_unit(model), error_label(request->form), err));
    if (status == PL_OK) {
        status = settings ? each_setting(request->settings, add_one_setting, &l, err)
                          : add_roles(cx, request, l.role, out, err);
    }
    if (status == PL_OK && out->n_series == 0) {
        status = say_unknown(request->form, err);
    }
    if (status == PL_OK) {
        pl_fit_positions(&out->x, 0, pl_overview_blocks(model));
        pl_fit_y(out, true, 0);
    }
    pl_buf_deinit(&title);
    pl_buf_deinit(&l.way.said);
    return status;
}

static size_t solved_layers(const pl_state *state, const pl_request *request, size_t *out)
{
    /* With settings each one's own commands solve them. */
    return request->settings[0] == '\0' ? pl_overview_solved(state, out) : 0;
}

typedef struct settings {
    pl_context cx;
    const pl_request *request;
    pl_buf *out;
    pl_state at; /* where the commands have led to */
} settings;

static pl_status put_setting_commands(settings *s, const char *name, pl_error *err)
{
    pl_state own;
    pl_buf label = {0};
    pl_status status = setting_state(s->cx.state, name, false, &own, &label, err);
    pl_buf_deinit(&label);
    if (status != PL_OK) {
        return status;
    }
    pl_setting_commands(&s->at, &own, s->out);
    if (s->request->form == FORM_KL) {
        pl_sensitivity_commands(s->cx.lab, &own, s->out);
    }
    pl_state_deinit(&s->at);
    s->at = own;
    return PL_OK;
}

static pl_status put_kept_setting(void *ctx, const char *name, pl_error *err)
{
    settings *s = ctx;
    if (strcmp(name, "now") == 0) {
        return PL_OK;
    }
    pl_status status = put_setting_commands(s, name, err);
    pl_buf_printf(s->out, "keep %s\n", name);
    return status;
}

/* The kept settings in their order, and then the present one, where the commands must end. */
static void put_error_commands(pl_context cx, const pl_request *request, pl_buf *out)
{
    settings s = {.cx = cx, .request = request, .out = out};
    if (request->settings[0] == '\0' && request->form == FORM_KL) {
        pl_sensitivity_commands(cx.lab, cx.state, out);
    }
    if (request->settings[0] == '\0') {
        return;
    }
    if (pl_state_copy(&s.at, cx.state, NULL) != PL_OK ||
        each_setting(request->settings, put_kept_setting, &s, NULL) != PL_OK ||
        put_setting_commands(&s, "now", NULL) != PL_OK) {
        out->failed = true;
    }
    pl_state_deinit(&s.at);
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* The layer of the selected one's role in that block. */
static void enter_error_block(const pl_looked *at, double x, size_t row, pl_buf *command,
                              bool *solves)
{
    const pl_model *model = at->state->source->model;
    (void)row;
    (void)solves;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        if (fabs((double)layer->block - x) < 0.5 &&
            layer->role == pl_model_layer(model, at->state->layer)->role) {
            pl_buf_printf(command, "select %s", layer->name);
            return;
        }
    }
}

const pl_kind pl_kind_error_by_block = {
    .name = "error_by_block",
    .title = "Error by block",
    .summary =
        "The errors of the solved layers in every block, a line for each kept setting and the "
        "present one (lines=role: for each role): rounded, before rounding, of the "
        "outputs with quantized activations, or what each costs the model (`sensitivity`)",
    .forms = "rounded|error|output|kl",
    .uses =
        PL_USES_SOLVED | PL_USES_METHODS | PL_USES_ACTIVATIONS | PL_USES_SETTINGS | PL_USES_COSTS,
    .layers = solved_layers,
    .commands = put_error_commands,
    .make = make_error_by_block,
    .look = {.help = "The errors of the solved layers in every block, a line for each kept setting "
                     "and the present one, or for each role where none is kept; Enter goes to "
                     "the selected one's in that block.",
             .whole = true,
             .snaps = true,
             .place = pl_look_block,
             .say = pl_look_say_number,
             .enter = enter_error_block},
};
