/* The histogram: how many values have which size; the marked channel's largest one is marked. */
#include "views/figure_view.h"

#include "views/text.h"

#include <math.h>
#include <stdio.h>

static double place(const pl_screen_model *model, const pl_figure *figure)
{
    (void)figure;
    const pl_picture *picture = pl_present_picture(model);
    size_t channel = model->state->channel;
    if (picture == NULL || channel >= picture->cols) {
        return NAN;
    }
    /* Of inputs the figure counts sizes; of weights it has both signs. */
    const float *values = model->state->side == PL_SIDE_INPUT ? picture->input : picture->extreme;
    return values != NULL ? (double)values[channel] : NAN;
}

/* An edge to a tenth of the bin's width: three digits would not tell apart those near 0. */
static void put_edge(const pl_axis *axis, double edge, double width, pl_buf *out)
{
    char number[PL_NUMBER_TEXT];
    char text[PL_NUMBER_TEXT + 4];
    double digits = ceil(-log10(width)) + 1;
    if (axis->log || !(digits <= 6) || fabs(edge) >= 1e5) {
        pl_format_number(edge, number);
    } else {
        snprintf(number, sizeof number, "%.*f", digits > 0 ? (int)digits : 0, edge);
    }
    pl_text_minus(number, text, sizeof text);
    pl_buf_puts(out, text);
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
        double width = series->x[at + 1] - series->x[at];
        put_edge(&figure->x, series->x[at], width, out);
        pl_buf_puts(out, " \u2026 ");
        put_edge(&figure->x, series->x[at + 1], width, out);
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
