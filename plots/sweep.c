/* The last sweep: what a parameter costs and buys. */
#include "core/base/number.h"
#include "plots/build.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/study/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double bound_of(const pl_sweep_point *point)
{
    return point->report.bound;
}

static double perplexity_of(const pl_sweep_point *point)
{
    return point->perplexity;
}

static double error_of(const pl_sweep_point *point)
{
    return point->report.relative_error;
}

static double rounded_of(const pl_sweep_point *point)
{
    return point->report.rounded_relative_error;
}

static double shrunk_of(const pl_sweep_point *point)
{
    return point->report.group_max_after / point->report.group_max_before;
}

typedef double (*number_fn)(const pl_sweep_point *point);

/* The first (least false) or smallest value that is above 0; NaN where there is none. */
static double reference(const pl_sweep_result *result, number_fn number, bool least)
{
    double found = NAN;
    for (size_t i = 0; i < result->count; i++) {
        double value = number(&result->points[i]);
        if (value > 0 && isfinite(value) && (isnan(found) || (least && value < found))) {
            found = value;
        }
    }
    return found;
}

/* The points of a number that a log axis can show, over x (NULL: the parameter's value).  A sweep
 * that has none of them gets no series. */
static pl_status add_sweep_curve(const pl_sweep_result *result, number_fn x, number_fn y,
                                 double unit, const char *label, pl_tone tone, pl_figure *out,
                                 pl_error *err)
{
    size_t shown[PL_SWEEP_MAX];
    size_t count = 0;
    for (size_t i = 0; i < result->count; i++) {
        const pl_sweep_point *point = &result->points[i];
        double value = y(point) / unit, at = x != NULL ? x(point) : point->value;
        if (value > 0 && isfinite(value) && isfinite(at)) {
            shown[count++] = i;
        }
    }
    pl_series *series = NULL;
    if (count == 0) {
        return PL_OK;
    }
    pl_status status = pl_figure_add(out, label, PL_MARK_LINE, tone, count, &series, err);
    if (status == PL_OK && x != NULL) {
        series->at = malloc(count * sizeof *series->at);
        status = series->at != NULL ? PL_OK : pl_error_memory(err, "a sweep");
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_sweep_point *point = &result->points[shown[i]];
        series->x[i] = x != NULL ? x(point) : point->value;
        if (series->at != NULL) {
            series->at[i] = point->value;
        }
        series->y[i] = y(point) / unit;
    }
    return status;
}

static pl_status add_curves(const pl_sweep_result *result, pl_figure *out, pl_error *err)
{
    double bound = reference(result, bound_of, false);
    double least = reference(result, perplexity_of, true);
    char label[64];
    pl_status status =
        add_sweep_curve(result, NULL, error_of, 1, "error", PL_TONE_PRECONDITIONED, out, err);
    PL_THEN(add_sweep_curve(result, NULL, rounded_of, 1, "rounded error", PL_TONE_AFTER, out, err));
    PL_THEN(add_sweep_curve(result, NULL, shrunk_of, 1, "group max", PL_TONE_INPUT, out, err));
    if (status == PL_OK && bound > 0) {
        status = add_sweep_curve(result, NULL, bound_of, bound, "bound", PL_TONE_EXTRA, out, err);
    }
    if (status == PL_OK && least > 0) {
        snprintf(label, sizeof label, "perplexity / %.4g", least);
        status =
            add_sweep_curve(result, NULL, perplexity_of, least, label, PL_TONE_EXTRA + 1, out, err);
    }
    return status;
}

/* On paper: errors on the left axis, what is relative to its own value before on the right one. */
static pl_status split_axes(pl_figure *out, pl_error *err)
{
    double lo = INFINITY, hi = -INFINITY;
    for (size_t s = 0; s < out->n_series; s++) {
        pl_series *series = &out->series[s];
        series->right = series->tone != PL_TONE_PRECONDITIONED && series->tone != PL_TONE_AFTER;
        for (size_t i = 0; series->right && i < series->count; i++) {
            lo = fmin(lo, series->y[i]);
            hi = fmax(hi, series->y[i]);
        }
    }
    pl_status status = pl_figure_text(&out->y.label, "relative output error", err);
    if (status == PL_OK && lo < INFINITY) {
        out->right.log = hi > 20 * lo && hi > 1.5;
        out->right.lo = out->right.log ? lo / 1.3 : 0;
        out->right.hi = (out->right.log ? 1.3 : 1.06) * hi;
        status = pl_figure_text(&out->right.label, "group max, bound: relative to before", err);
    }
    return status;
}

static pl_status add_pareto(const pl_sweep_result *result, pl_figure *out, pl_error *err)
{
    pl_status status =
        add_sweep_curve(result, shrunk_of, error_of, 1, "error", PL_TONE_PRECONDITIONED, out, err);
    return status == PL_OK ? add_sweep_curve(result, shrunk_of, rounded_of, 1, "rounded error",
                                             PL_TONE_AFTER, out, err)
                           : status;
}

/* The method whose parameter was swept, as it is now. */
static const pl_spec *swept_spec(const pl_state *state)
{
    const pl_sweep *sweep = &state->sweep;
    return sweep->whole ? &state->slots[sweep->slot]
                        : pl_state_spec(state, sweep->layer, sweep->slot);
}

static void set_range(pl_axis *axis, double lo, double hi)
{
    double room = axis->log ? pow(hi / lo, 0.04) : 0.04 * (hi - lo);
    if (!(lo < hi)) {
        room = axis->log ? 1.5 : fmax(0.1 * fabs(lo), 1e-6);
    }
    axis->lo = axis->log ? lo / room : lo - room;
    axis->hi = axis->log ? hi * room : hi + room;
}

static pl_status set_axes(const pl_sweep *sweep, bool pareto, pl_figure *out, pl_error *err)
{
    double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
    for (size_t s = 0; s < out->n_series; s++) {
        for (size_t i = 0; i < out->series[s].count; i++) {
            const double at[2] = {out->series[s].x[i], out->series[s].y[i]};
            for (size_t k = 0; k < (out->series[s].right ? 1 : 2); k++) {
                lo[k] = fmin(lo[k], at[k]);
                hi[k] = fmax(hi[k], at[k]);
            }
        }
    }
    if (out->n_series == 0) {
        return pl_error_set(err, PL_ERR_STATE, "sweep: no value of %s has an error above 0 to show",
                            sweep->param);
    }
    out->x.log = !pareto && sweep->logarithmic;
    out->y.log = true;
    set_range(&out->x, lo[0], hi[0]);
    set_range(&out->y, lo[1], hi[1]);
    return PL_OK;
}

static pl_status add_rules(const pl_state *state, const pl_sweep_result *result, bool pareto,
                           pl_figure *out, pl_error *err)
{
    const pl_sweep *sweep = &state->sweep;
    char number[PL_EXACT_TEXT], label[80];
    double present = pl_sweep_present(state, sweep);
    pl_status status = PL_OK;
    if (result->knee != SIZE_MAX) {
        const pl_sweep_point *knee = &result->points[result->knee];
        pl_format_exact(knee->value, number);
        snprintf(label, sizeof label, "knee %s", number);
        status = pl_figure_guide(out, pareto ? shrunk_of(knee) : knee->value, label, err);
    }
    if (status == PL_OK && !pareto && present >= out->x.lo && present <= out->x.hi) {
        pl_format_exact(present, number);
        snprintf(label, sizeof label, "now %s", number);
        status = pl_figure_guide(out, present, label, err);
    }
    return status;
}

static void put_best(const pl_sweep_result *result, number_fn number, const char *name,
                     const char *param, pl_figure *out)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < result->count; i++) {
        double value = number(&result->points[i]);
        if (isfinite(value) && (best == SIZE_MAX || value < number(&result->points[best]))) {
            best = i;
        }
    }
    if (best != SIZE_MAX) {
        char at[PL_EXACT_TEXT];
        pl_format_exact(result->points[best].value, at);
        pl_figure_fact(out, name, "%.4g at %s = %s", number(&result->points[best]), param, at);
    }
}

static void add_sweep_facts(const pl_sweep *sweep, const pl_sweep_result *result, pl_figure *out)
{
    char at[PL_EXACT_TEXT] = "none";
    if (result->knee != SIZE_MAX) {
        pl_format_exact(result->points[result->knee].value, at);
    }
    pl_figure_fact(out, "knee", "%s%s%s", result->knee != SIZE_MAX ? sweep->param : "",
                   result->knee != SIZE_MAX ? " = " : "", at);
    put_best(result, rounded_of, "least_rounded", sweep->param, out);
    put_best(result, perplexity_of, "least_perplexity", sweep->param, out);
    pl_figure_fact(out, "points", "%zu", result->count);
}

static pl_status make_texts(const pl_state *state, const pl_request *request, bool pareto,
                            pl_figure *out, pl_error *err)
{
    const pl_sweep *sweep = &state->sweep;
    const pl_spec *spec = swept_spec(state);
    pl_buf title = {0}, x = {0};
    if (sweep->whole) {
        pl_overview_put_model(state->source->model, &title);
        pl_buf_puts(&title, ", all layers");
    } else {
        pl_kind_layer_title(state, sweep->layer, &title);
    }
    if (pareto) {
        pl_buf_puts(&x, "mean group maximum / before");
    } else {
        const size_t at = request->paper ? pl_method_param(spec->method, sweep->param) : SIZE_MAX;
        const char *symbol = at != SIZE_MAX ? spec->method->params[at].symbol : NULL;
        const char *method = request->paper ? spec->method->title : NULL;
        pl_buf_printf(&x, "%s of %s", symbol != NULL ? symbol : sweep->param,
                      method != NULL ? method : spec->method->name);
    }
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_buf_check(&x, err));
    PL_THEN(pl_figure_texts(out, title.data, x.data,
                            pareto ? "relative output error" : "relative value", err));
    pl_buf_deinit(&title);
    pl_buf_deinit(&x);
    return status;
}

static pl_status make_sweep(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    const bool pareto = request->form == 1;
    if (!cx.state->sweep.set) {
        return pl_error_set(err, PL_ERR_STATE,
                            "no sweep was asked for yet: e.g. `sweep beta=1e-5:1e-2:log12`");
    }
    pl_sweep_result *result = calloc(1, sizeof *result);
    if (result == NULL) {
        return pl_error_memory(err, "a sweep");
    }
    pl_status status = pl_sweep_run(cx, &cx.state->sweep, result, err);
    PL_THEN(make_texts(cx.state, request, pareto, out, err));
    PL_THEN(pareto ? add_pareto(result, out, err) : add_curves(result, out, err));
    if (status == PL_OK && request->paper && !pareto) {
        status = split_axes(out, err);
    }
    PL_THEN(set_axes(&cx.state->sweep, pareto, out, err));
    if (status == PL_OK) {
        status = add_rules(cx.state, result, pareto, out, err);
        add_sweep_facts(&cx.state->sweep, result, out);
    }
    free(result);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* What was swept stays on the screen while the selection moves on. */
static size_t layer_of_sweep(const pl_state *state)
{
    const pl_sweep *sweep = &state->sweep;
    return !sweep->set ? state->layer : sweep->whole ? SIZE_MAX : sweep->layer;
}

static const pl_spec *spec_of(const pl_looked *at)
{
    const pl_state *state = at->state;
    return state->source != NULL && state->sweep.set ? swept_spec(state) : NULL;
}

/* The point next to x: the value it was made with, whatever the axis is; NaN without a sweep. */
static double swept_value_at(const pl_figure *figure, double x)
{
    double nearest = INFINITY;
    double value = NAN;
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        size_t i = 0;
        if (pl_series_at(series, &figure->x, x, &i) && fabs(series->x[i] - x) < nearest) {
            nearest = fabs(series->x[i] - x);
            value = series->at != NULL ? series->at[i] : series->x[i];
        }
    }
    return value;
}

/* Where the value in force is; along a Pareto curve only if the sweep has tried it. */
static double place_in_sweep(const pl_looked *at)
{
    const pl_spec *spec = spec_of(at);
    const size_t param = spec != NULL && spec->method != NULL
                             ? pl_method_param(spec->method, at->state->sweep.param)
                             : SIZE_MAX;
    const double value = param != SIZE_MAX ? spec->values[param] : NAN;
    for (size_t s = 0; s < at->figure->n_series; s++) {
        const pl_series *series = &at->figure->series[s];
        for (size_t i = 0; series->at != NULL && i < series->count; i++) {
            if (fabs(series->at[i] - value) <= 1e-9 * fabs(value)) {
                return series->x[i];
            }
        }
    }
    bool pareto = at->figure->n_series > 0 && at->figure->series[0].at != NULL;
    return !pareto && value >= at->figure->x.lo && value <= at->figure->x.hi ? value : NAN;
}

/* "beta 0.0004329", and in the Pareto form how far that one goes. */
static void say_sweep(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)row;
    double value = swept_value_at(at->figure, x);
    char number[PL_EXACT_TEXT];
    if (isfinite(value)) {
        pl_format_exact(value, number);
        pl_buf_printf(out, "%s %s", at->state->sweep.param, number);
    }
    if (at->figure->n_series > 0 && at->figure->series[0].at != NULL) {
        char far[PL_NUMBER_TEXT];
        pl_format_number(x, far);
        pl_buf_printf(out, "  x %s", far);
    }
}

static void enter_in_sweep(const pl_looked *at, double x, size_t row, pl_buf *command, bool *solves)
{
    (void)row;
    const pl_spec *spec = spec_of(at);
    double value = swept_value_at(at->figure, x);
    if (spec != NULL && spec->method != NULL && isfinite(value)) {
        pl_buf_printf(command, "method %s %s=%.6g", spec->method->name, at->state->sweep.param,
                      value);
        *solves = true;
    }
}

const pl_kind pl_kind_sweep = {
    .name = "sweep",
    .title = "Sweep",
    .summary = "Error, rounded error, group maxima and bound over the values of one parameter, the "
               "knee marked",
    .forms = "curves|pareto",
    .uses = PL_USES_SWEEP | PL_NEEDS_INPUTS,
    .slow = true,
    .unit = "points",
    .make = make_sweep,
    .look = {.help = "One parameter over a range: error, rounded error, bound and maxima; the "
                     "knee is marked, Enter takes the value at the crosshair.",
             .snaps = true,
             .layer = layer_of_sweep,
             .place = place_in_sweep,
             .say = say_sweep,
             .enter = enter_in_sweep},
};
