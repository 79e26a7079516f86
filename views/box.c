/* Box plots of the groups of a layer (the marked channel's group is marked) or over the depth. */
#include "views/figure_view.h"
#include "views/groups.h"

#include <math.h>

/* With the form "layers" an x is a block. */
static bool of_layers(const pl_figure *figure)
{
    return figure->x.names == NULL;
}

static double place(const pl_screen_model *model, const pl_figure *figure)
{
    if (of_layers(figure)) {
        const pl_source *source = model->state->source;
        return source != NULL ? (double)pl_model_layer(source->model, model->state->layer)->block
                              : NAN;
    }
    return pl_group_of_channel(model, figure);
}

static size_t channel(const pl_screen_model *model, const pl_figure *figure, double x)
{
    return of_layers(figure) ? SIZE_MAX : pl_channel_of_group(model, figure, x);
}

static const pl_figure_look look = {.place = place, .channel = channel};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_box = {
    .name = "box",
    .title = "Box plots",
    .help = "Boxes of each channel group's values, or of one kind of layer in every block: long "
            "whiskers are outliers.",
    .figure = true,
    .draw = draw,
    .act = act,
};
