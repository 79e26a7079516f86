/* What each layer costs the model: bars by block and role, or over a score of the layer. */
#include "core/base/number.h"
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/study/layer_table.h"
#include "core/study/sensitivity.h"

#include <math.h>
#include <stdlib.h>

enum { FORM_BLOCKS, FORM_ROLES, FORM_SHARES = 7, RANK = 16 };

/* The scores of the forms behind these. */
static const pl_column form_scores[] = {[2] = PL_COLUMN_ERROR, PL_COLUMN_ROUNDED_ERROR,
                                        PL_COLUMN_INPUT_RATIO, PL_COLUMN_KURTOSIS,
                                        PL_COLUMN_KL_ESTIMATE, PL_COLUMN_ROUNDED_ERROR};

typedef struct layer_costs {
    double *kl;    /* [layers] nats, NaN: not measured */
    double *score; /* [layers] of the form, NaN: not known */
    size_t layers, blocks, known;
    double sum;
    size_t costliest;
    size_t roles[PL_ROLE_COUNT]; /* the role's number among those that are known */
    size_t n_roles;
    size_t first[PL_ROLE_COUNT]; /* [n_roles] a layer of each */
} layer_costs;

static pl_status read_costs(pl_context cx, layer_costs *c, pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    bool seen[PL_ROLE_COUNT] = {false};
    c->layers = pl_model_layer_count(model);
    c->blocks = pl_overview_blocks(model);
    c->kl = calloc(c->layers + 1, sizeof *c->kl);
    c->score = calloc(c->layers + 1, sizeof *c->score);
    pl_status status = c->kl == NULL || c->score == NULL ? pl_error_memory(err, "a figure") : PL_OK;
    PL_THEN(pl_sensitivity_look(cx, 0, c->layers, err));
    for (size_t i = 0; status == PL_OK && i < c->layers; i++) {
        const pl_id *result = pl_state_result(cx.state, i);
        c->kl[i] =
            result != NULL ? pl_sensitivity_of_result(cx.lab, cx.state, *result) : (double)NAN;
        if (isfinite(c->kl[i])) {
            const pl_role role = pl_model_layer(model, i)->role;
            if (!seen[role]) {
                seen[role] = true;
                c->first[c->n_roles] = i;
                c->roles[role] = c->n_roles++;
            }
            c->costliest = c->known == 0 || c->kl[i] > c->kl[c->costliest] ? i : c->costliest;
            c->sum += c->kl[i];
            c->known++;
        }
        status = pl_task_tick(cx.task, err);
    }
    PL_THEN(pl_sensitivity_check(cx.lab, cx.state, "sensitivity", false, NULL, err));
    return status == PL_OK && c->known == 0
               ? pl_error_set(err, PL_ERR_STATE,
                              "sensitivity: what each layer costs the model is not measured: "
                              "`solve all`, then `sensitivity` with unit=layer, mode=only")
               : status;
}

static const char *role_name(const pl_model *model, const layer_costs *c, size_t role)
{
    return pl_overview_kind(pl_model_layer(model, c->first[role]));
}

/* The layers of a role that are measured, and of which the score is known where one is shown: one
 * point each, x its block or score, y its KL divergence or share. */
static pl_status add_role_points(const pl_state *state, const layer_costs *c, size_t role,
                                 bool scored, pl_figure *out, pl_error *err)
{
    const pl_model *model = state->source->model;
    pl_series *series = NULL;
    size_t count = 0;
    for (size_t i = 0; i < c->layers; i++) {
        count += isfinite(c->kl[i]) && c->roles[pl_model_layer(model, i)->role] == role &&
                 (!scored || isfinite(c->score[i]));
    }
    if (count == 0) {
        return PL_OK;
    }
    pl_status status = pl_figure_add(out, role_name(model, c, role), PL_MARK_POINTS,
                                     (pl_tone)(PL_TONE_EXTRA + role % 8), count, &series, err);
    if (status == PL_OK) {
        series->at = calloc(count, sizeof *series->at);
        status = series->at != NULL ? PL_OK : pl_error_memory(err, "a figure");
    }
    count = 0;
    for (size_t i = 0; status == PL_OK && i < c->layers; i++) {
        const pl_layer *info = pl_model_layer(model, i);
        if (isfinite(c->kl[i]) && c->roles[info->role] == role &&
            (!scored || isfinite(c->score[i]))) {
            series->x[count] = scored ? c->score[i] : (double)info->block;
            series->y[count] = scored ? 100.0 * c->kl[i] / c->sum : c->kl[i];
            series->at[count++] = (double)i;
        }
    }
    return status;
}

/* --- bars ------------------------------------------------------------------------------------- */

/* Bars of sums over what stands at one place: a block, or a role. */
static pl_status add_sums(const pl_model *model, const layer_costs *c, bool of_blocks,
                          pl_figure *out, pl_error *err)
{
    const size_t places = of_blocks ? c->blocks : c->n_roles;
    pl_series *series = NULL;
    pl_status status = pl_figure_add(out, of_blocks ? "sum of the block" : "sum over all blocks",
                                     PL_MARK_STEMS, PL_TONE_BEFORE, places, &series, err);
    for (size_t p = 0; status == PL_OK && p < places; p++) {
        series->x[p] = (double)p;
    }
    for (size_t i = 0; status == PL_OK && i < c->layers; i++) {
        const pl_layer *info = pl_model_layer(model, i);
        if (isfinite(c->kl[i])) {
            series->y[of_blocks ? info->block : c->roles[info->role]] += c->kl[i];
        }
    }
    return status;
}

static pl_status make_by_block(const pl_state *state, const layer_costs *c, pl_figure *out,
                               pl_error *err)
{
    pl_status status = add_sums(state->source->model, c, true, out, err);
    for (size_t r = 0; status == PL_OK && r < c->n_roles; r++) {
        status = add_role_points(state, c, r, false, out, err);
    }
    pl_fit_positions(&out->x, 0, c->blocks);
    return status;
}

static pl_status make_by_role(const pl_state *state, const layer_costs *c, pl_figure *out,
                              pl_error *err)
{
    pl_status status = add_sums(state->source->model, c, false, out, err);
    PL_THEN(pl_figure_names(&out->x, c->n_roles, err));
    for (size_t r = 0; status == PL_OK && r < c->n_roles; r++) {
        status = pl_figure_text(&out->x.names[r], role_name(state->source->model, c, r), err);
    }
    pl_fit_positions(&out->x, 0, c->n_roles);
    return status;
}

/* --- over a score ----------------------------------------------------------------------------- */

static pl_status read_layer_scores(pl_context cx, pl_column column, layer_costs *c, pl_error *err)
{
    pl_layer_row *rows = calloc(c->layers + 1, sizeof *rows);
    pl_status status = rows == NULL ? pl_error_memory(err, "a figure")
                                    : pl_layer_rows(cx, 0, c->layers, rows, err);
    if (status == PL_OK && column == PL_COLUMN_KL_ESTIMATE) {
        status = pl_sensitivity_check(cx.lab, cx.state, "sensitivity", true, NULL, err);
    }
    for (size_t i = 0; status == PL_OK && i < c->layers; i++) {
        c->score[i] = pl_layer_number(&rows[i], column, pl_state_result(cx.state, i));
    }
    free(rows);
    return status;
}

static pl_status fit_scores(const layer_costs *c, pl_column column, pl_axis *axis, pl_error *err)
{
    double lo = (double)INFINITY, hi = -(double)INFINITY;
    for (size_t i = 0; i < c->layers; i++) {
        if (isfinite(c->kl[i]) && isfinite(c->score[i])) {
            lo = fmin(lo, c->score[i]);
            hi = fmax(hi, c->score[i]);
        }
    }
    if (lo >= hi && c->known > 1) {
        return pl_error_set(err, PL_ERR_STATE,
                            "sensitivity: %s (%s) is %.3g in every layer, which ranks none",
                            pl_columns[column].name, pl_columns[column].help, lo);
    }
    if (pl_columns[column].scale == PL_DECADES && lo > 0.0) {
        pl_fit_log(axis, lo, hi);
    } else {
        const double room = lo < hi ? 0.05 * (hi - lo) : fmax(0.05 * fabs(lo), 1e-6);
        axis->lo = lo - room;
        axis->hi = hi + room;
    }
    return PL_OK;
}

static void put_rank(double rho, char out[RANK])
{
    char number[RANK];
    snprintf(number, sizeof number, "%.2f", rho);
    pl_text_minus(number, out, RANK);
}

/* Behind the title, where no line of facts stands beside the figure. */
static pl_status say_rank(double rho, pl_figure *out, pl_error *err)
{
    char number[RANK];
    pl_buf title = {0};
    put_rank(rho, number);
    pl_buf_printf(&title, "%s, rank correlation %s", out->title, number);
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_text(&out->title, title.data, err));
    pl_buf_deinit(&title);
    return status;
}

static pl_status make_over_score(pl_context cx, pl_column column, bool paper, layer_costs *c,
                                 pl_figure *out, pl_error *err)
{
    double rho = NAN;
    pl_status status = read_layer_scores(cx, column, c, err);
    PL_THEN(pl_rank_correlation(c->score, c->kl, c->layers, &rho, err));
    for (size_t r = 0; status == PL_OK && r < c->n_roles; r++) {
        status = add_role_points(cx.state, c, r, true, out, err);
    }
    if (status == PL_OK && out->n_series == 0) {
        status =
            pl_error_set(err, PL_ERR_STATE, "sensitivity: no layer that is measured has %s (%s)%s",
                         pl_columns[column].name, pl_columns[column].help,
                         column == PL_COLUMN_KL_ESTIMATE ? ": `sensitivity mode=estimate`" : "");
    }
    PL_THEN(fit_scores(c, column, &out->x, err));
    if (status == PL_OK && paper && isfinite(rho)) {
        status = say_rank(rho, out, err);
    }
    if (status == PL_OK) {
        pl_figure_fact(out, "rank_correlation", isfinite(rho) ? "%.2f" : "not known", rho);
    }
    return status;
}

/* --- shares by two scores --------------------------------------------------------------------- */

/* A point a layer: its share of the score's sum over the layers that are measured, and of KL's. */
static pl_status add_shares(const layer_costs *c, const char *label, pl_tone tone, double *rho,
                            pl_figure *out, pl_error *err)
{
    pl_series *points = NULL;
    double sum = 0.0, kl = 0.0;
    size_t count = 0, at = 0;
    for (size_t i = 0; i < c->layers; i++) {
        const bool both = c->kl[i] > 0.0 && c->score[i] > 0.0; /* as a logarithmic axis can show */
        count += both;
        sum += both ? c->score[i] : 0.0;
        kl += both ? c->kl[i] : 0.0;
    }
    if (count == 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "sensitivity form=shares: no layer that is measured has its %s%s",
                            label, tone == PL_TONE_AFTER ? ": `sensitivity mode=estimate`" : "");
    }
    pl_status status = pl_rank_correlation(c->score, c->kl, c->layers, rho, err);
    PL_THEN(pl_figure_add(out, label, PL_MARK_POINTS, tone, count, &points, err));
    if (status == PL_OK) {
        points->at = calloc(count, sizeof *points->at);
        status = points->at != NULL ? PL_OK : pl_error_memory(err, "a figure");
    }
    for (size_t i = 0; status == PL_OK && i < c->layers; i++) {
        if (c->kl[i] > 0.0 && c->score[i] > 0.0) {
            points->x[at] = 100.0 * c->score[i] / sum;
            points->y[at] = 100.0 * c->kl[i] / kl;
            points->at[at++] = (double)i;
        }
    }
    return status;
}

/* Where a share of the score is the share of KL. */
static pl_status add_diagonal(pl_figure *out, pl_error *err)
{
    double lo = (double)INFINITY, hi = 0.0;
    pl_series *line = NULL;
    for (size_t s = 0; s < out->n_series; s++) {
        for (size_t i = 0; i < out->series[s].count; i++) {
            lo = fmin(lo, fmin(out->series[s].x[i], out->series[s].y[i]));
            hi = fmax(hi, fmax(out->series[s].x[i], out->series[s].y[i]));
        }
    }
    pl_fit_log(&out->x, lo, hi);
    pl_status status =
        pl_figure_add(out, "equal shares", PL_MARK_LINE, PL_TONE_BEFORE, 2, &line, err);
    if (status == PL_OK) {
        line->x[0] = line->y[0] = lo;
        line->x[1] = line->y[1] = hi;
    }
    return status;
}

static pl_status make_shares(pl_context cx, bool paper, layer_costs *c, pl_figure *out,
                             pl_error *err)
{
    double by_error = NAN, by_estimate = NAN;
    pl_buf title = {0};
    pl_status status = read_layer_scores(cx, PL_COLUMN_ROUNDED_ERROR, c, err);
    PL_THEN(
        add_shares(c, "error of the rounded weights", PL_TONE_PRECONDITIONED, &by_error, out, err));
    PL_THEN(read_layer_scores(cx, PL_COLUMN_KL_ESTIMATE, c, err));
    PL_THEN(add_shares(c, "moved stream", PL_TONE_AFTER, &by_estimate, out, err));
    PL_THEN(add_diagonal(out, err));
    if (status == PL_OK && paper) {
        char error[RANK], estimate[RANK];
        put_rank(by_error, error);
        put_rank(by_estimate, estimate);
        pl_buf_printf(&title, "%s, rank correlation %s and %s", out->title, error, estimate);
        status = pl_buf_check(&title, err);
        PL_THEN(pl_figure_text(&out->title, title.data, err));
    }
    pl_buf_deinit(&title);
    if (status == PL_OK) {
        pl_figure_fact(out, "rank_correlation_error", "%.2f", by_error);
        pl_figure_fact(out, "rank_correlation_moved", "%.2f", by_estimate);
        out->explanation =
            "A layer is two points of one height, its share of KL. The error of its rounded "
            "weights weighs all that a layer puts out alike; the moved stream is the same rounding "
            "weighed by how far it moves the residual stream behind the block, token by token over "
            "the stream's own size there, so that outlier tokens and outputs that the rest of the "
            "block drowns count for little. On the line a share of the score is the share of KL.";
    }
    return status;
}

/* --- the kind --------------------------------------------------------------------------------- */

static pl_status set_cost_texts(const pl_state *state, pl_column column, int form, pl_figure *out,
                                pl_error *err)
{
    pl_buf title = {0};
    pl_overview_put_model(state->source->model, &title);
    pl_buf_puts(&title, ", what each layer costs the model");
    const char *x = form == FORM_BLOCKS   ? pl_overview_unit(state->source->model)
                    : form == FORM_ROLES  ? "role"
                    : form == FORM_SHARES ? "share of the score's sum over the layers, %"
                                          : pl_columns[column].help;
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_texts(
        out, title.data, x,
        form <= FORM_ROLES ? "KL divergence, nats" : "share of KL divergence, %", err));
    pl_buf_deinit(&title);
    return status;
}

static pl_status make_sensitivity(pl_context cx, const pl_request *request, pl_figure *out,
                                  pl_error *err)
{
    layer_costs c = {0};
    const int form = request->form;
    const pl_column column = form_scores[form];
    pl_status status = read_costs(cx, &c, err);
    PL_THEN(set_cost_texts(cx.state, column, form, out, err));
    PL_THEN(form == FORM_BLOCKS   ? make_by_block(cx.state, &c, out, err)
            : form == FORM_ROLES  ? make_by_role(cx.state, &c, out, err)
            : form == FORM_SHARES ? make_shares(cx, request->paper, &c, out, err)
                                  : make_over_score(cx, column, request->paper, &c, out, err));
    if (status == PL_OK) {
        char name[64];
        pl_layer_short(pl_model_layer(cx.state->source->model, c.costliest), false, name,
                       sizeof name);
        /* Bars are sums, which only lengths from 0 compare. */
        pl_fit_y(out, request->log || (request->free_scale && form > FORM_ROLES), 0);
        pl_figure_fact(out, "costliest", "%.30s, %.3g nats", name, c.kl[c.costliest]);
        pl_figure_fact(out, "measured", "%zu of %zu layers", c.known, c.layers);
    }
    free(c.kl);
    free(c.score);
    return status;
}

static size_t layers_with_results(const pl_state *state, const pl_request *request, size_t *out)
{
    (void)request;
    return pl_overview_solved(state, out);
}

static void put_measuring(pl_context cx, const pl_request *request, pl_buf *out)
{
    (void)request;
    pl_sensitivity_commands(cx.lab, cx.state, out);
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* The layer of the point next to x: of its own role where several stand there; NULL: none. */
static const pl_layer *layer_next_to(const pl_looked *at, double x, double *kl)
{
    const pl_model *model = at->state->source->model;
    const pl_role own = pl_model_layer(model, at->state->layer)->role;
    const pl_layer *found = NULL;
    double best = (double)INFINITY;
    for (size_t s = 0; s < at->figure->n_series; s++) {
        const pl_series *series = &at->figure->series[s];
        for (size_t i = 0; series->at != NULL && i < series->count; i++) {
            const pl_layer *layer = pl_model_layer(model, (size_t)series->at[i]);
            const double off =
                fabs(pl_axis_to(&at->figure->x, series->x[i]) - pl_axis_to(&at->figure->x, x));
            if (off < best || (off <= best && layer->role == own)) {
                best = off;
                found = layer;
                *kl = series->y[i];
            }
        }
    }
    return found;
}

static void say_sensitivity(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    char name[64], number[PL_NUMBER_TEXT];
    double kl = 0.0;
    const pl_layer *layer = layer_next_to(at, x, &kl);
    (void)row;
    if (layer != NULL) {
        pl_layer_short(layer, false, name, sizeof name);
        pl_format_number(kl, number);
        pl_buf_printf(out, "%s  %s", name, number);
    } else if (x > -0.5) {
        const char *role = pl_axis_name(&at->figure->x, (size_t)(x + 0.5));
        pl_buf_puts(out, role != NULL ? role : "");
    }
}

static void enter_sensitivity(const pl_looked *at, double x, size_t row, pl_buf *command,
                              bool *solves)
{
    double kl = 0.0;
    const pl_layer *layer = layer_next_to(at, x, &kl);
    (void)row;
    (void)solves;
    if (layer != NULL) {
        pl_buf_printf(command, "select %s", layer->name);
    }
}

static double place_of_layer(const pl_looked *at)
{
    for (size_t s = 0; s < at->figure->n_series; s++) {
        const pl_series *series = &at->figure->series[s];
        for (size_t i = 0; series->at != NULL && i < series->count; i++) {
            if ((size_t)series->at[i] == at->state->layer) {
                return series->x[i];
            }
        }
    }
    return (double)NAN;
}

const pl_kind pl_kind_sensitivity = {
    .name = "sensitivity",
    .title = "Sensitivity",
    .summary = "What each layer alone costs the model in KL divergence (`sensitivity`): by block "
               "and by role, its share over a score with their rank correlation, or over its share "
               "of two scores",
    .forms = "blocks|roles|error|rounded_error|input_ratio|kurtosis|estimate|shares",
    .uses = PL_USES_SOLVED | PL_USES_METHODS | PL_USES_COSTS | PL_USES_SCALE,
    .slow = true,
    .layers = layers_with_results,
    .commands = put_measuring,
    .make = make_sensitivity,
    .look = {.help =
                 "What each layer alone costs the model: a bar is the sum of a block (or role), "
                 "a point one layer; other forms show which score tells it. Enter goes to the "
                 "layer.",
             .whole = true,
             .snaps = true,
             .place = place_of_layer,
             .say = say_sensitivity,
             .enter = enter_sensitivity},
};
