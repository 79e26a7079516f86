/* The groups of a layer: input norms, strengths, maxima; Enter marks a group's largest channel. */
#include "views/groups.h"

#include <math.h>
#include <stdlib.h>

/* The channels of a named group, "128\u2013255"; false for a place without such a name. */
static bool range_of(const pl_figure *figure, size_t place, size_t *first, size_t *last)
{
    const char *name =
        figure->x.names != NULL && place < figure->x.n_names ? figure->x.names[place] : NULL;
    if (name == NULL || name[0] < '0' || name[0] > '9') {
        return false;
    }
    char *end = NULL;
    *first = *last = strtoul(name, &end, 10);
    while (*end != '\0' && (*end < '0' || *end > '9')) {
        end++;
    }
    if (*end != '\0') {
        *last = strtoul(end, NULL, 10);
    }
    return true;
}

double pl_group_of_channel(const pl_screen_model *model, const pl_figure *figure)
{
    size_t channel = model->state->channel;
    size_t first = 0;
    size_t last = 0;
    for (size_t k = 0; k < figure->x.n_names; k++) {
        if (range_of(figure, k, &first, &last) && channel >= first && channel <= last) {
            return (double)k;
        }
    }
    return NAN;
}

size_t pl_channel_of_group(const pl_screen_model *model, const pl_figure *figure, double x)
{
    const pl_picture *picture = pl_present_picture(model);
    size_t first = 0;
    size_t last = 0;
    if (picture == NULL || x < -0.5 || !range_of(figure, (size_t)(x + 0.5), &first, &last) ||
        first >= picture->cols) {
        return SIZE_MAX;
    }
    const float *values = model->state->side == PL_SIDE_INPUT ? picture->input : picture->before;
    size_t best = first;
    for (size_t c = first; values != NULL && c < picture->cols && c <= last; c++) {
        best = values[c] > values[best] ? c : best;
    }
    return best;
}

static const pl_figure_look look = {.place = pl_group_of_channel, .channel = pl_channel_of_group};

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    pl_figure_view_draw(model, surface, rect, pane, &look);
}

static bool act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    return pl_figure_view_act(model, pane, action, intent, &look);
}

const pl_screen_view pl_view_groups = {
    .name = "groups",
    .title = "Groups",
    .help = "Input norm of each channel group, its strength, and the group's largest weight before "
            "and after: Astro lowers the groups that the inputs use least.",
    .figure = true,
    .draw = draw,
    .act = act,
};
