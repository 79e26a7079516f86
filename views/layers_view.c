/* The layers overview: the largest channels over the depth; Enter selects the layer of a block. */
#include "views/figure_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double place(const pl_screen_model *model, const pl_figure *figure)
{
    (void)figure;
    const pl_source *source = model->state->source;
    return source != NULL ? (double)pl_model_layer(source->model, model->state->layer)->block : NAN;
}

static const char *part_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

/* The layer that a place stands for: of the row's kind in a strip, else of the selected one's kind,
 * in the block at x; NULL if there is none. */
static const pl_layer *layer_at(const pl_screen_model *model, const pl_figure *figure, double block,
                                size_t row)
{
    const pl_model *m = model->state->source->model;
    const char *part = part_of(pl_model_layer(m, model->state->layer)->name);
    if (figure->heat != NULL && row < figure->y.n_names && figure->y.names[row] != NULL) {
        part = part_of(figure->y.names[row]);
    }
    for (size_t i = 0; i < pl_model_layer_count(m); i++) {
        const pl_layer *layer = pl_model_layer(m, i);
        if (fabs((double)layer->block - block) < 0.5 && strcmp(part_of(layer->name), part) == 0) {
            return layer;
        }
    }
    return NULL;
}

static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    const pl_layer *layer = layer_at(model, figure, x, row);
    char name[80] = "";
    if (layer != NULL) {
        pl_layer_short(layer, false, name, sizeof name);
    }
    pl_buf_puts(out, name);
}

static void enter(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                  pl_intent *intent)
{
    const pl_layer *layer = layer_at(model, figure, x, row);
    if (layer != NULL) {
        snprintf(intent->command, sizeof intent->command, "select %s", layer->name);
    }
}

static const pl_figure_look look = {.whole = true, .place = place, .say = say, .enter = enter};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_layers = {
    .name = "layers",
    .title = "Layers",
    .help =
        "The largest channels beside the median one in every block: where a model's outliers live.",
    .figure = true,
    .draw = draw,
    .act = act,
};
