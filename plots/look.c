#include "plots/look.h"

#include <math.h>
#include <stdlib.h>

size_t pl_look_layer(const pl_figure_look *look, const pl_state *state)
{
    return look->whole ? SIZE_MAX : look->layer != NULL ? look->layer(state) : state->layer;
}

double pl_axis_to(const pl_axis *axis, double x)
{
    return axis->log ? log10(x > 0 ? x : axis->lo) : x;
}

double pl_axis_from(const pl_axis *axis, double t)
{
    return axis->log ? pow(10, t) : t;
}

void pl_axis_shown(const pl_axis *axis, double first, double shown, double *lo, double *hi)
{
    double low = pl_axis_to(axis, axis->lo);
    double high = pl_axis_to(axis, axis->hi);
    bool zoomed = shown > 0 && shown < high - low;
    *lo = zoomed ? fmin(fmax(first, low), high - shown) : low;
    *hi = zoomed ? *lo + shown : high;
}

double pl_series_x(const pl_series *series, size_t i)
{
    return series->mark == PL_MARK_STEPS ? (series->x[i] + series->x[i + 1]) / 2 : series->x[i];
}

double pl_series_y(const pl_series *series, size_t i)
{
    return pl_mark_width(series->mark) > 1 ? series->y[i * PL_SPREAD + PL_SPREAD - 1]
                                           : series->y[i];
}

bool pl_series_at(const pl_series *series, const pl_axis *axis, double x, size_t *index)
{
    double nearest = INFINITY;
    for (size_t i = 0; i < series->count; i++) {
        double at = series->x[i];
        if (series->mark == PL_MARK_STEPS) {
            if (x >= series->x[i] && x <= series->x[i + 1]) {
                *index = i;
                return true;
            }
            continue;
        }
        double away = fabs(pl_axis_to(axis, at) - pl_axis_to(axis, x));
        if (away < nearest) {
            nearest = away;
            *index = i;
        }
    }
    return nearest < INFINITY;
}

double pl_look_block(const pl_looked *at)
{
    const pl_source *source = at->state->source;
    return source != NULL ? (double)pl_model_layer(source->model, at->state->layer)->block
                          : (double)NAN;
}

void pl_look_say_cell(const pl_looked *at, const char *what, double x, size_t row, pl_buf *out)
{
    const pl_heat *heat = at->figure->heat;
    if (heat == NULL || heat->at == NULL || row >= heat->rows) {
        pl_buf_printf(out, "%s %.0f", what, x);
        return;
    }
    const size_t col = pl_heat_col(heat, x);
    const double first = (double)col * heat->step;
    pl_buf_printf(out, "%s ", what);
    if (!isnan(heat->values[row * heat->cols + col])) {
        pl_buf_printf(out, "%.0f of ", pl_heat_x(heat, row, col));
    }
    pl_buf_printf(out, "%.0f\u2013%.0f", first, first + heat->step - 1);
}

void pl_look_say_named_cell(const pl_looked *at, const char *what, double x, size_t row,
                            pl_buf *out)
{
    const char *name = pl_axis_name(&at->figure->y, row);
    if (name != NULL) {
        pl_buf_printf(out, "%s  ", name);
    }
    pl_look_say_cell(at, what, x, row, out);
}

void pl_look_say_number(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)row;
    pl_buf_printf(out, "%s %.0f", at->figure->x.label, x);
}

/* --- groups of channels ----------------------------------------------------------------------- */

/* The channels of a named group, "128\u2013255"; false for a place without such a name. */
static bool range_of(const pl_figure *figure, size_t place, size_t *first, size_t *last)
{
    const char *name = pl_axis_name(&figure->x, place);
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

/* Where x is a norm of the input, a group is known by its first channel: finds the channel's point,
 * and the last channel of its group.  NULL on an axis with names. */
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

static size_t channels_of(const pl_state *state)
{
    return state->source != NULL ? pl_model_layer(state->source->model, state->layer)->cols : 0;
}

double pl_look_group_of_channel(const pl_looked *at)
{
    const pl_figure *figure = at->figure;
    size_t channel = at->state->channel;
    size_t first = 0;
    size_t last = 0;
    const pl_series *points = point_of(figure, channel, channels_of(at->state), &first, &last);
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

bool pl_look_group_at(const pl_looked *at, double x, size_t *first, size_t *last)
{
    const pl_figure *figure = at->figure;
    size_t point = 0;
    const pl_series *points = figure->n_series > 0 ? &figure->series[0] : NULL;
    if (points == NULL || points->at == NULL) {
        return x >= -0.5 && range_of(figure, (size_t)(x + 0.5), first, last);
    }
    if (!pl_series_at(points, &figure->x, x, &point)) {
        return false;
    }
    *first = (size_t)points->at[point];
    return point_of(figure, *first, channels_of(at->state), &point, last) != NULL;
}

size_t pl_look_channel_of_group(const pl_looked *at, double x)
{
    const pl_picture *picture = at->picture;
    size_t first = 0;
    size_t last = 0;
    if (picture == NULL || !pl_look_group_at(at, x, &first, &last) || first >= picture->cols) {
        return SIZE_MAX;
    }
    const float *values = at->state->side == PL_SIDE_INPUT ? picture->input : picture->before;
    size_t best = first;
    for (size_t c = first; values != NULL && c < picture->cols && c <= last; c++) {
        best = values[c] > values[best] ? c : best;
    }
    return best;
}
