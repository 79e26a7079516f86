/* Flatness: channel norms under several transforms. */
#include "views/figure_view.h"

#include <math.h>

/* Rank of the marked channel on the curve without a transform; by index it is its own place. */
static double place(const pl_screen_model *model, const pl_figure *figure)
{
    const pl_series *plain = figure->n_series > 0 ? &figure->series[0] : NULL;
    const double channel = (double)model->state->channel;
    for (size_t i = 0; plain != NULL && plain->at != NULL && i < plain->count; i++) {
        if (plain->at[i] >= channel && plain->at[i] <= channel) {
            return plain->x[i];
        }
    }
    return (double)NAN;
}

static size_t channel_at(const pl_screen_model *model, const pl_figure *figure, double x)
{
    (void)model;
    size_t point = 0;
    const pl_series *plain = figure->n_series > 0 ? &figure->series[0] : NULL;
    return plain != NULL && plain->at != NULL && pl_series_at(plain, &figure->x, x, &point)
               ? (size_t)plain->at[point]
               : SIZE_MAX;
}

/* "rank 12: channel 131". */
static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)row;
    const size_t channel = channel_at(model, figure, x);
    const pl_series *plain = figure->n_series > 0 ? &figure->series[0] : NULL;
    if (plain != NULL && plain->count > 0 && plain->x[0] > 0.5) {
        pl_buf_printf(out, "rank %.0f", x);
        if (channel != SIZE_MAX) {
            pl_buf_puts(out, ", without a transform ");
        }
    }
    if (channel != SIZE_MAX) {
        pl_buf_printf(out, "channel %zu", channel);
    }
}

static const pl_figure_look look = {
    .snaps = true, .place = place, .channel = channel_at, .say = say};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_flatness = {
    .name = "flatness",
    .title = "Flatness",
    .help = "Channel norms over their mean, without a transform and under several: the number in "
            "the legend is the mean distance from 1, so 0 is flat. A rotation's channels are new "
            "ones: they carry no mark.",
    .figure = true,
    .draw = draw,
    .act = act,
};
