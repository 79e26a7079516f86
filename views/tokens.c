/* The heat map of tokens and channels: the token under the crosshair, the channel in all views. */
#include "views/figure_view.h"

#include <math.h>

static double place(const pl_screen_model *model, const pl_figure *figure)
{
    size_t channel = model->state->channel;
    return (double)channel <= figure->x.hi ? (double)channel : NAN;
}

static size_t channel(const pl_screen_model *model, const pl_figure *figure, double x)
{
    (void)model;
    (void)figure;
    return x >= 0 ? (size_t)(x + 0.5) : SIZE_MAX;
}

/* The token whole, and where it is; the axis shows its beginning only. */
static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)model;
    if (figure->y.names != NULL && row < figure->y.n_names && figure->y.names[row] != NULL) {
        pl_buf_printf(out, "%s  ", figure->y.names[row]);
    }
    pl_buf_printf(out, "channel %.0f", x);
}

static const pl_figure_look look = {
    .follows = true, .place = place, .channel = channel, .say = say};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_tokens = {
    .name = "tokens",
    .title = "Tokens",
    .help = "The size of every channel's input at the tokens that matter: rows are tokens, columns "
            "channels; massive activations are marked.",
    .figure = true,
    .draw = draw,
    .act = act,
};
