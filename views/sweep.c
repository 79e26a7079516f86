/* The sweep of a parameter: the value in force is marked, Enter takes another one. */
#include "views/figure_view.h"

#include <math.h>
#include <stdio.h>

static const pl_spec *spec_of(const pl_screen_model *model)
{
    const pl_state *state = model->state;
    return state->source != NULL && state->sweep.set
               ? pl_state_spec(state, state->layer, state->sweep.slot)
               : NULL;
}

static double place(const pl_screen_model *model, const pl_figure *figure)
{
    const pl_spec *spec = spec_of(model);
    bool has = spec != NULL && spec->method != NULL &&
               pl_method_param(spec->method, model->state->sweep.param) != SIZE_MAX;
    double value = has ? pl_spec_value(spec, model->state->sweep.param) : NAN;
    return value >= figure->x.lo && value <= figure->x.hi ? value : NAN;
}

static void enter(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                  pl_intent *intent)
{
    (void)figure;
    (void)row;
    const pl_spec *spec = spec_of(model);
    if (spec != NULL && spec->method != NULL) {
        snprintf(intent->command, sizeof intent->command, "method %s %s=%.6g", spec->method->name,
                 model->state->sweep.param, x);
        intent->live = true;
    }
}

static const pl_figure_look look = {.place = place, .enter = enter};

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
