/* The loss along lines through the weights. */
#include "views/figure_view.h"

#include "views/text.h"

/* Where the weights were: one starts there. */
static double place(const pl_screen_model *model, const pl_figure *figure)
{
    (void)model;
    (void)figure;
    return 0;
}

/* The step: along W0 -> W, 1 is where the method has gone. */
static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)model;
    (void)figure;
    (void)row;
    char number[PL_NUMBER_TEXT];
    char text[PL_NUMBER_TEXT + 4];
    pl_format_number(x, number);
    pl_text_minus(number, text, sizeof text);
    pl_buf_printf(out, "t = %s", text);
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

const pl_screen_view pl_view_basin = {
    .name = "basin",
    .title = "Loss basin",
    .help = "The loss along straight lines from the weights, really evaluated: flat directions are "
            "free to move in.",
    .figure = true,
    .draw = draw,
    .act = act,
};
