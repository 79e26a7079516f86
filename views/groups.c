/* The groups of a layer: input norms, strengths, maxima; Enter marks a group's largest channel. */
#include "views/groups.h"

#include "views/text.h"

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

/* Over the norm of the input a group has no name but its first channel: the point that is of this
 * channel, and the last channel of it.  NULL on an axis of names. */
static const pl_series *point_of(const pl_figure *figure, size_t channel, size_t channels,
                                 size_t *point, size_t *last)
{
    const pl_series *series = figure->n_series > 0 ? &figure->series[0] : NULL;
    if (series == NULL || series->at == NULL || channel >= channels) {
        return NULL;
    }
    double best = -1;
    double next = (double)channels;
    for (size_t i = 0; i < series->count; i++) {
        if (series->at[i] <= (double)channel && series->at[i] > best) {
            best = series->at[i];
            *point = i;
        } else if (series->at[i] > (double)channel) {
            next = fmin(next, series->at[i]);
        }
    }
    *last = (size_t)next - 1;
    return best >= 0 ? series : NULL;
}

static size_t channels_of(const pl_screen_model *model)
{
    const pl_source *source = model->state->source;
    return source != NULL ? pl_model_layer(source->model, model->state->layer)->cols : 0;
}

double pl_group_of_channel(const pl_screen_model *model, const pl_figure *figure)
{
    size_t channel = model->state->channel;
    size_t first = 0;
    size_t last = 0;
    const pl_series *points = point_of(figure, channel, channels_of(model), &first, &last);
    if (points != NULL) {
        return points->x[first];
    }
    for (size_t k = 0; k < figure->x.n_names; k++) {
        if (range_of(figure, k, &first, &last) && channel >= first && channel <= last) {
            return (double)k;
        }
    }
    return NAN;
}

/* The channels of the group at x; false where there is none. */
static bool group_at(const pl_screen_model *model, const pl_figure *figure, double x, size_t *first,
                     size_t *last)
{
    size_t point = 0;
    const pl_series *points = figure->n_series > 0 ? &figure->series[0] : NULL;
    if (points == NULL || points->at == NULL) {
        return x >= -0.5 && range_of(figure, (size_t)(x + 0.5), first, last);
    }
    if (!pl_series_at(points, &figure->x, x, &point)) {
        return false;
    }
    *first = (size_t)points->at[point];
    return point_of(figure, *first, channels_of(model), &point, last) != NULL;
}

size_t pl_channel_of_group(const pl_screen_model *model, const pl_figure *figure, double x)
{
    const pl_picture *picture = pl_present_picture(model);
    size_t first = 0;
    size_t last = 0;
    if (picture == NULL || !group_at(model, figure, x, &first, &last) || first >= picture->cols) {
        return SIZE_MAX;
    }
    const float *values = model->state->side == PL_SIDE_INPUT ? picture->input : picture->before;
    size_t best = first;
    for (size_t c = first; values != NULL && c < picture->cols && c <= last; c++) {
        best = values[c] > values[best] ? c : best;
    }
    return best;
}

/* "0\u2013127  input norm 505": over the norm of the input there are no names on the axis. */
static void say(const pl_screen_model *model, const pl_figure *figure, double x, size_t row,
                pl_buf *out)
{
    (void)row;
    size_t first = 0;
    size_t last = 0;
    if (!group_at(model, figure, x, &first, &last)) {
        return;
    }
    pl_buf_printf(out, "%zu\u2013%zu", first, last);
    if (figure->x.names == NULL) {
        char number[PL_NUMBER_TEXT];
        pl_format_number(x, number);
        pl_buf_printf(out, "  input norm %s", number);
    }
}

static const pl_figure_look look = {
    .snaps = true, .place = pl_group_of_channel, .channel = pl_channel_of_group, .say = say};

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
