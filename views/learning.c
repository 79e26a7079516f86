/* The loss curve of a learned transform. */
#include "views/figure_view.h"

/* "step 120". */
static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)model;
    (void)figure;
    (void)row;
    pl_buf_printf(out, "step %.0f", x);
}

static const pl_figure_look look = {.say = say};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_learning = {
    .name = "learning",
    .title = "Learning",
    .help = "The loss of a learned transform (flatquant), step by step, while it learns and after: "
            "r learns and pauses, R forgets.",
    .figure = true,
    .draw = draw,
    .act = act,
};
