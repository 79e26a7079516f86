/* The keys of a plot: crosshair, zoom, pan, rows. */
#include "views/figure_parts.h"
#include "views/figure_view.h"

#include <math.h>
#include <stdio.h>

/* The next x of the data after (by > 0) or before x; x itself where there is none. */
static double next_stop(const pl_figure *figure, double x, int by)
{
    if (figure->heat != NULL) {
        double col = (double)pl_heat_col(figure->heat, x) + by;
        col = col < 0 ? 0 : fmin(col, (double)figure->heat->cols - 1);
        return col * figure->heat->step;
    }
    double best = x;
    double slack = 1e-9 * (fabs(x) + (figure->x.log ? 0 : figure->x.hi - figure->x.lo));
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        for (size_t i = 0; i < series->count; i++) {
            double at = pl_figure_stop_of(figure, series, i);
            bool beyond = by > 0 ? at > x + slack : at < x - slack;
            if (beyond && (best == x || (by > 0 ? at < best : at > best))) {
                best = at;
            }
        }
    }
    return best;
}

/* The x whose value in the first series is the next smaller (by > 0) or larger one. */
static double next_peak(const pl_figure *figure, double x, int by)
{
    size_t at = 0;
    if (figure->n_series == 0 || !pl_series_at(&figure->series[0], &figure->x, x, &at)) {
        return x;
    }
    const pl_series *series = &figure->series[0];
    double now = pl_series_y(series, at);
    size_t best = at;
    for (size_t i = 0; i < series->count; i++) {
        double y = pl_series_y(series, i);
        bool beyond = by > 0 ? y < now || (y == now && i > at) : y > now || (y == now && i < at);
        bool nearer = by > 0 ? y > pl_series_y(series, best) : y < pl_series_y(series, best);
        best = beyond && (best == at || nearer) ? i : best;
    }
    return pl_figure_stop_of(figure, series, best);
}

/* Keeps the crosshair within what is shown. */
static void pan(pl_pane_memo *memo, const pl_axis *axis, double x)
{
    double lo = 0;
    double hi = 0;
    pl_axis_shown(axis, memo->first, memo->shown, &lo, &hi);
    double t = pl_axis_to(axis, x);
    memo->first = t < lo ? t : t > hi ? t - memo->shown : lo;
}

static void zoom_axis(const pl_axis *axis, double *first, double *shown, double t, bool in,
                      double least)
{
    double whole = pl_axis_to(axis, axis->hi) - pl_axis_to(axis, axis->lo);
    double now = *shown > 0 && *shown < whole ? *shown : whole;
    double next = in ? now / 2 : now * 2;
    next = next < least ? fmin(least, whole) : next;
    if (next >= whole) {
        *first = *shown = 0;
        return;
    }
    *shown = next;
    *first = t - next / 2;
}

double pl_figure_least(const pl_figure *figure)
{
    return figure->x.log ? 0.2 : figure->x.whole ? 8 : (figure->x.hi - figure->x.lo) / 256;
}

static void zoom(pl_pane_memo *memo, const pl_figure *figure, double x, size_t row, bool in)
{
    const double least = pl_figure_least(figure);
    zoom_axis(&figure->x, &memo->first, &memo->shown, pl_axis_to(&figure->x, x), in, least);
    if (figure->heat != NULL) {
        zoom_axis(&figure->y, &memo->row_first, &memo->row_shown, (double)row, in, 8);
    }
}

void pl_figure_move_crosshair(pl_screen_model *model, pl_pane pane, const pl_figure_look *look,
                              const pl_figure *figure, double x, long row, pl_intent *intent)
{
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    memo->cursor = x;
    memo->placed = true;
    if (figure->heat != NULL) {
        long last = (long)figure->heat->rows - 1;
        memo->row = (size_t)(row < 0 ? 0 : row > last ? last : row);
        double lo = 0;
        double hi = 0;
        pl_axis_shown(&figure->y, memo->row_first, memo->row_shown, &lo, &hi);
        double to = (double)memo->row;
        memo->row_first = to < lo ? to - 0.5 : to > hi ? to + 0.5 - memo->row_shown : lo;
    }
    pan(memo, &figure->x, x);
    pl_looked at = pl_figure_looked(model, figure);
    at.row = memo->row;
    size_t channel = look->follows && look->channel != NULL ? look->channel(&at, x) : SIZE_MAX;
    if (channel != SIZE_MAX) {
        intent->mark = true;
        intent->channel = channel;
    }
}

static bool act_on_table(pl_pane_memo *memo, const pl_table *table, pl_action action)
{
    long to = (long)memo->row;
    switch (action) {
    case PL_ACT_UP:
        to--;
        break;
    case PL_ACT_DOWN:
        to++;
        break;
    case PL_ACT_PAGE_UP:
        to -= 8;
        break;
    case PL_ACT_PAGE_DOWN:
        to += 8;
        break;
    case PL_ACT_FIRST:
        to = 0;
        break;
    case PL_ACT_LAST:
        to = (long)table->rows;
        break;
    default:
        return false;
    }
    long last = (long)table->rows - 1;
    memo->row = (size_t)(to < 0 ? 0 : to > last ? (last > 0 ? last : 0) : to);
    return true;
}

static bool enter(const pl_screen_model *model, const pl_figure_look *look, const pl_figure *figure,
                  double x, size_t row, pl_intent *intent)
{
    pl_looked at = pl_figure_looked(model, figure);
    at.row = row;
    if (look->enter != NULL) {
        pl_buf command = {0};
        look->enter(&at, x, row, &command, &intent->live);
        if (command.data != NULL && !command.failed) {
            const size_t layer = pl_look_layer(look, model->state);
            snprintf(intent->command, sizeof intent->command, "%s", command.data);
            if (layer != SIZE_MAX && layer != model->state->layer) {
                snprintf(intent->select, sizeof intent->select, "%s",
                         pl_model_layer(model->state->source->model, layer)->name);
            }
        }
        pl_buf_deinit(&command);
        return true;
    }
    size_t channel = look->channel != NULL ? look->channel(&at, x) : SIZE_MAX;
    if (look->follows || channel == SIZE_MAX) {
        return false;
    }
    intent->mark = true;
    intent->channel = channel;
    return true;
}

bool pl_figure_keys(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent,
                    const pl_figure_look *look, const pl_figure *figure)
{
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    if (figure->table != NULL) {
        return act_on_table(memo, figure->table, action);
    }
    size_t at = 0;
    double x = pl_figure_cursor(model, pane, look, figure, &at);
    long row = (long)at;
    bool heat = figure->heat != NULL;
    double lo = 0;
    double hi = 0;
    pl_axis_shown(&figure->x, memo->first, memo->shown, &lo, &hi);
    double t = pl_axis_to(&figure->x, x);
    double far = (hi - lo) / 16;
    switch (action) {
    case PL_ACT_LEFT:
    case PL_ACT_RIGHT:
        x = next_stop(figure, x, action == PL_ACT_LEFT ? -1 : 1);
        break;
    case PL_ACT_FAR_LEFT:
        x = fmin(pl_figure_stop(figure, t - far), next_stop(figure, x, -1));
        break;
    case PL_ACT_FAR_RIGHT:
        x = fmax(pl_figure_stop(figure, t + far), next_stop(figure, x, 1));
        break;
    case PL_ACT_PAGE_UP:
    case PL_ACT_PAGE_DOWN:
        if (heat) {
            row += action == PL_ACT_PAGE_UP ? 8 : -8;
        } else {
            x = pl_figure_stop(figure, t + (action == PL_ACT_PAGE_UP ? -4 : 4) * far);
        }
        break;
    case PL_ACT_FIRST:
        x = pl_figure_stop(figure, pl_axis_to(&figure->x, figure->x.lo));
        break;
    case PL_ACT_LAST:
        x = pl_figure_stop(figure, pl_axis_to(&figure->x, figure->x.hi));
        break;
    case PL_ACT_NEXT_PEAK:
    case PL_ACT_PREV_PEAK:
        x = next_peak(figure, x, action == PL_ACT_NEXT_PEAK ? 1 : -1);
        break;
    case PL_ACT_UP:
    case PL_ACT_DOWN:
        if (!heat) {
            zoom(memo, figure, x, at, action == PL_ACT_UP);
            return true;
        }
        row += action == PL_ACT_UP ? 1 : -1;
        break;
    case PL_ACT_ZOOM_IN:
    case PL_ACT_ZOOM_OUT:
        zoom(memo, figure, x, at, action == PL_ACT_ZOOM_IN);
        return true;
    case PL_ACT_ZOOM_ALL:
        memo->first = memo->shown = memo->row_first = memo->row_shown = 0;
        return true;
    case PL_ACT_ENTER:
        return enter(model, look, figure, x, at, intent);
    default:
        return false;
    }
    pl_figure_move_crosshair(model, pane, look, figure, x, row, intent);
    return true;
}

bool pl_figure_view_act(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent,
                        const pl_figure_look *look)
{
    const pl_figure *figure = model->shown[pl_view_index(pane)].figure;
    return figure != NULL && pl_figure_keys(model, pane, action, intent, look, figure);
}
