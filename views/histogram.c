/* The histogram: how many values have which size; the marked channel's largest one is marked. */
#include "views/figure_view.h"

#include "views/text.h"

#include <math.h>

static double place(const pl_screen_model *model, const pl_figure *figure)
{
    (void)figure;
    const pl_picture *picture = pl_present_picture(model);
    size_t channel = model->state->channel;
    if (picture == NULL || channel >= picture->cols) {
        return NAN;
    }
    const float *values = model->state->side == PL_SIDE_INPUT ? picture->input : picture->before;
    return values != NULL ? (double)values[channel] : NAN;
}

/* The bin: "0.12 ... 0.14". */
static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)model;
    (void)row;
    size_t at = 0;
    const pl_series *series = &figure->series[0];
    if (figure->n_series > 0 && series->mark == PL_MARK_STEPS &&
        pl_series_at(series, &figure->x, x, &at)) {
        char from[PL_NUMBER_TEXT];
        char to[PL_NUMBER_TEXT];
        pl_format_number(series->x[at], from);
        pl_format_number(series->x[at + 1], to);
        pl_buf_printf(out, "%s \u2026 %s", from, to);
    }
}

static const pl_figure_look look = {.place = place, .say = say};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_histogram = {
    .name = "histogram",
    .title = "Histogram",
    .help = "How many weights or inputs have which size: far tails are outliers.",
    .figure = true,
    .draw = draw,
    .act = act,
};
