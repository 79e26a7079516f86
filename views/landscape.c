/* The error landscape: the layer and the token under the crosshair. */
#include "views/figure_view.h"

static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)model;
    if (figure->y.names != NULL && row < figure->y.n_names && figure->y.names[row] != NULL) {
        pl_buf_printf(out, "%s  ", figure->y.names[row]);
    }
    pl_buf_printf(out, "token %.0f", x);
}

static const pl_figure_look look = {.follows = true, .say = say};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_landscape = {
    .name = "landscape",
    .title = "Landscape",
    .help = "What the solved layers lose of each stored token's output, activations quantized: "
            "rows are layers, columns tokens.",
    .figure = true,
    .draw = draw,
    .act = act,
};
