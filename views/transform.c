/* Weights or inputs without the layer's transform and behind it. */
#include "views/figure_view.h"

#include <math.h>

static bool by_channel(const pl_figure *figure)
{
    return figure->n_series > 0 && figure->series[0].mark == PL_MARK_STEMS;
}

static double place(const pl_screen_model *model, const pl_figure *figure)
{
    const size_t channel = model->state->channel;
    return by_channel(figure) && (double)channel <= figure->x.hi ? (double)channel : (double)NAN;
}

static size_t channel_at(const pl_screen_model *model, const pl_figure *figure, double x)
{
    (void)model;
    return by_channel(figure) && x >= 0 ? (size_t)(x + 0.5) : SIZE_MAX;
}

static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)model;
    (void)row;
    pl_buf_printf(out, by_channel(figure) ? "channel %.0f" : "%.3g RMS", x);
}

static const pl_figure_look look = {.place = place, .channel = channel_at, .say = say};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_transform = {
    .name = "transform",
    .title = "Transform",
    .help = "What the quantizers see: weights or inputs without the transform and behind it, each "
            "over its RMS. t switches to the next transform.",
    .figure = true,
    .draw = draw,
    .act = act,
};
