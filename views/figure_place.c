#include "views/figure_view.h"

#include "views/figure_parts.h"
#include "views/view.h"

#include <math.h>

double pl_figure_stop_of(const pl_figure *figure, const pl_series *series, size_t i)
{
    double x = pl_series_x(series, i);
    return figure->x.names != NULL ? round(x) : x;
}

double pl_figure_stop(const pl_figure *figure, double t)
{
    double best = pl_axis_from(&figure->x, t);
    double away = INFINITY;
    if (figure->heat != NULL) {
        return (double)pl_heat_col(figure->heat, best) * figure->heat->step;
    }
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        for (size_t i = 0; i < series->count; i++) {
            double here = fabs(pl_axis_to(&figure->x, pl_figure_stop_of(figure, series, i)) - t);
            if (here < away) {
                away = here;
                best = pl_figure_stop_of(figure, series, i);
            }
        }
    }
    return best;
}

static size_t largest_row(const pl_heat *heat, size_t col)
{
    size_t best = 0;
    for (size_t r = 1; r < heat->rows; r++) {
        float value = heat->values[r * heat->cols + col];
        float most = heat->values[best * heat->cols + col];
        best = value > most || isnan(most) ? r : best;
    }
    return best;
}

/* Where the eye would go: the largest value. */
static double largest_x(const pl_figure *figure)
{
    if (figure->heat != NULL) {
        const pl_heat *heat = figure->heat;
        size_t best = 0;
        for (size_t i = 1; i < heat->rows * heat->cols; i++) {
            best = heat->values[i] > heat->values[best] || isnan(heat->values[best]) ? i : best;
        }
        return pl_heat_x(heat, best / heat->cols, best % heat->cols);
    }
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        size_t best = 0;
        for (size_t i = 1; i < series->count; i++) {
            best = pl_series_y(series, i) > pl_series_y(series, best) ? i : best;
        }
        if (series->count > 0) {
            return figure->x.names != NULL ? round(pl_series_x(series, best))
                                           : pl_series_x(series, best);
        }
    }
    return figure->x.lo;
}

pl_looked pl_figure_looked(const pl_screen_model *model, const pl_figure *figure)
{
    return (pl_looked){
        .state = model->state, .picture = pl_present_picture(model), .figure = figure};
}

double pl_figure_cursor(const pl_screen_model *model, pl_pane pane, const pl_figure_look *look,
                        const pl_figure *figure, size_t *row)
{
    const pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    const pl_looked at = pl_figure_looked(model, figure);
    double place = look->place != NULL ? look->place(&at) : NAN;
    bool placed = memo->placed && memo->cursor >= figure->x.lo && memo->cursor <= figure->x.hi;
    double x = look->follows && isfinite(place) ? place
               : placed                         ? memo->cursor
               : isfinite(place)
                   ? (look->snaps ? pl_figure_stop(figure, pl_axis_to(&figure->x, place)) : place)
                   : largest_x(figure);
    *row = 0;
    if (figure->heat != NULL && figure->heat->rows > 0) {
        *row = memo->placed ? memo->row : largest_row(figure->heat, pl_heat_col(figure->heat, x));
        *row = *row < figure->heat->rows ? *row : figure->heat->rows - 1;
    }
    return x;
}
