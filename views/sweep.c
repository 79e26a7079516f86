/* The sweep of a parameter: the value in force is marked, Enter takes another one. */
#include "views/figure_view.h"

#include "core/run/sweep.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>

static const pl_spec *spec_of(const pl_screen_model *model)
{
    const pl_state *state = model->state;
    return state->source != NULL && state->sweep.set
               ? pl_state_spec(state, state->layer, state->sweep.slot)
               : NULL;
}

/* The point next to x: the value it was made with, whatever the axis is; NaN without a sweep. */
static double value_at(const pl_figure *figure, double x)
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
static double place(const pl_screen_model *model, const pl_figure *figure)
{
    const pl_spec *spec = spec_of(model);
    bool has = spec != NULL && spec->method != NULL &&
               pl_method_param(spec->method, model->state->sweep.param) != SIZE_MAX;
    double value = has ? pl_spec_value(spec, model->state->sweep.param) : NAN;
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        for (size_t i = 0; series->at != NULL && i < series->count; i++) {
            if (fabs(series->at[i] - value) <= 1e-9 * fabs(value)) {
                return series->x[i];
            }
        }
    }
    bool pareto = figure->n_series > 0 && figure->series[0].at != NULL;
    return !pareto && value >= figure->x.lo && value <= figure->x.hi ? value : NAN;
}

/* "beta 0.0004329", and in the Pareto form how far that one goes. */
static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)row;
    double value = value_at(figure, x);
    char number[PL_SWEEP_NUMBER];
    if (isfinite(value)) {
        pl_sweep_number(value, number);
        pl_buf_printf(out, "%s %s", model->state->sweep.param, number);
    }
    if (figure->n_series > 0 && figure->series[0].at != NULL) {
        char far[PL_NUMBER_TEXT];
        pl_format_number(x, far);
        pl_buf_printf(out, "  x %s", far);
    }
}

static void enter(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                  pl_intent *intent)
{
    (void)row;
    const pl_spec *spec = spec_of(model);
    double value = value_at(figure, x);
    if (spec != NULL && spec->method != NULL && isfinite(value)) {
        snprintf(intent->command, sizeof intent->command, "method %s %s=%.6g", spec->method->name,
                 model->state->sweep.param, value);
        intent->live = true;
    }
}

static const pl_figure_look look = {
    .snaps = true, .place = place, .say = say, .enter = enter};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_sweep = {
    .name = "sweep",
    .title = "Sweep",
    .help = "One parameter over a range: error, rounded error, bound and maxima; the knee is "
            "marked, Enter takes the value at the crosshair.",
    .figure = true,
    .draw = draw,
    .act = act,
};
