/* The mouse in a plot: a click moves the crosshair, a drag zooms to its range, the wheel zooms at
 * its place.  Places are within the area in which the data was last drawn. */
#include "views/figure_parts.h"
#include "views/figure_view.h"
#include "views/mouse.h"

#include <math.h>

/* The range of an axis that is shown, and which part of it a cell covers, on the axis' scale. */
typedef struct place {
    double lo, hi;
    double from, to;
} place;

static place cell_span(const pl_axis *axis, double first, double shown, int cell, int cells)
{
    place p;
    pl_axis_shown(axis, first, shown, &p.lo, &p.hi);
    cell = cell < 0 ? 0 : cell >= cells ? cells - 1 : cell;
    p.from = p.lo + (p.hi - p.lo) * cell / cells;
    p.to = p.lo + (p.hi - p.lo) * (cell + 1) / cells;
    return p;
}

static place place_x(const pl_pane_memo *memo, const pl_figure *figure, int x)
{
    return cell_span(&figure->x, memo->first, memo->shown, x - memo->area.x, memo->area.w);
}

/* Upwards, as the axis goes. */
static place place_y(const pl_pane_memo *memo, const pl_figure *figure, int y)
{
    return cell_span(&figure->y, memo->row_first, memo->row_shown,
                     memo->area.y + memo->area.h - 1 - y, memo->area.h);
}

/* The largest point in the cell's column, as it is drawn; in an empty column the nearest point
 * beside it. */
static double x_of(const pl_figure *figure, place at)
{
    const pl_series *best = NULL;
    size_t which = 0;
    for (size_t s = 0; s < figure->n_series && figure->heat == NULL; s++) {
        const pl_series *series = &figure->series[s];
        for (size_t i = 0; i < series->count; i++) {
            const double t = pl_axis_to(&figure->x, pl_series_x(series, i));
            if (t >= at.from && t < at.to &&
                (best == NULL || pl_series_y(series, i) > pl_series_y(best, which))) {
                best = series;
                which = i;
            }
        }
    }
    const double middle = (at.from + at.to) / 2;
    return pl_figure_stop(figure,
                          best != NULL ? pl_axis_to(&figure->x, pl_series_x(best, which)) : middle);
}

static long heat_row(const pl_figure *figure, place at)
{
    return figure->heat != NULL ? lround((at.from + at.to) / 2) : 0;
}

static void zoom_to(double lo, double hi, double least, place whole, double *first, double *shown)
{
    const double middle = (lo + hi) / 2;
    const double range = fmin(fmax(hi - lo, least), whole.hi - whole.lo);
    *first = middle - range / 2;
    *shown = range;
}

static bool is_range(const pl_pane_memo *memo)
{
    return memo->dragging && memo->area.w > 0 && memo->from.x != memo->to.x;
}

static void zoom_to_drag(pl_pane_memo *memo, const pl_figure *figure)
{
    const place a = place_x(memo, figure, memo->from.x);
    const place b = place_x(memo, figure, memo->to.x);
    const place c = place_y(memo, figure, memo->from.y);
    const place d = place_y(memo, figure, memo->to.y);
    zoom_to(fmin(a.from, b.from), fmax(a.to, b.to), pl_figure_least(figure), a, &memo->first,
            &memo->shown);
    if (figure->heat != NULL && memo->from.y != memo->to.y) {
        zoom_to(fmin(c.from, d.from), fmax(c.to, d.to), 8, c, &memo->row_first, &memo->row_shown);
    }
}

/* What is under the mouse stays there. */
static void zoom_axis_by_wheel(place at, double least, double whole, bool in, double *first,
                               double *shown)
{
    const double now = at.hi - at.lo;
    const double middle = (at.from + at.to) / 2;
    if (!(now > 0)) {
        return; /* a single place */
    }
    const double next = fmax(in ? now / 1.5 : now * 1.5, fmin(least, whole));
    *shown = next < whole ? next : 0;
    *first = next < whole ? middle - (middle - at.lo) / now * next : 0;
}

static void turn_wheel(pl_pane_memo *memo, const pl_figure *figure, pl_mouse mouse)
{
    const place x = place_x(memo, figure, mouse.x);
    const place y = place_y(memo, figure, mouse.y);
    const bool in = mouse.kind == PL_MOUSE_WHEEL_UP;
    if (mouse.kind == PL_MOUSE_WHEEL_LEFT || mouse.kind == PL_MOUSE_WHEEL_RIGHT) {
        const double by = (x.hi - x.lo) / (mouse.kind == PL_MOUSE_WHEEL_LEFT ? -8 : 8);
        memo->first = memo->shown > 0 ? x.lo + by : memo->first;
        return;
    }
    zoom_axis_by_wheel(x, pl_figure_least(figure),
                       pl_axis_to(&figure->x, figure->x.hi) - pl_axis_to(&figure->x, figure->x.lo),
                       in, &memo->first, &memo->shown);
    if (figure->heat != NULL) {
        zoom_axis_by_wheel(y, 8, figure->y.hi - figure->y.lo, in, &memo->row_first,
                           &memo->row_shown);
    }
}

static bool act_in_plot(pl_screen_model *model, pl_pane pane, pl_mouse mouse, pl_intent *intent,
                        const pl_figure_look *look, const pl_figure *figure)
{
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    const bool inside = pl_rect_holds(memo->area, mouse.y, mouse.x);
    switch (mouse.kind) {
    case PL_MOUSE_PRESS:
        memo->dragging = inside;
        if (!inside) {
            return false;
        }
        memo->from = memo->to = mouse;
        pl_figure_move_crosshair(model, pane, look, figure,
                                 x_of(figure, place_x(memo, figure, mouse.x)),
                                 heat_row(figure, place_y(memo, figure, mouse.y)), intent);
        return true;
    case PL_MOUSE_DRAG:
        memo->to = mouse;
        intent->say = is_range(memo) ? "let go: the plot shows this range" : NULL;
        return false;
    case PL_MOUSE_RELEASE:
        memo->to = mouse;
        if (is_range(memo)) {
            zoom_to_drag(memo, figure);
            intent->say = "zoomed to the range; 0 shows all again";
        }
        memo->dragging = false;
        return false;
    default:
        if (inside) {
            turn_wheel(memo, figure, mouse);
        }
        return false;
    }
}

/* The selected row is pushed along where the wheel would leave it behind. */
static bool act_in_table(pl_pane_memo *memo, const pl_table *table, pl_rect rect, pl_mouse mouse)
{
    const int lines = rect.h - 2;
    const int line = pl_mouse_line(mouse, rect, 2);
    size_t held = 0;
    if (pl_mouse_scroll(mouse, memo->row, &memo->top, &held)) {
        const size_t most = table->rows > (size_t)lines ? table->rows - (size_t)lines : 0;
        memo->top = memo->top < most ? memo->top : most;
        memo->row = memo->row < memo->top ? memo->top : memo->row;
        memo->row =
            memo->row >= memo->top + (size_t)lines ? memo->top + (size_t)lines - 1 : memo->row;
        return false;
    }
    const bool row =
        mouse.kind == PL_MOUSE_PRESS && line >= 0 && memo->top + (size_t)line < table->rows;
    memo->row = row ? memo->top + (size_t)line : memo->row;
    return row;
}

void pl_figure_mark_drag(const pl_pane_memo *memo, const pl_figure *figure, pl_surface *surface)
{
    if (!is_range(memo)) {
        return;
    }
    const pl_mouse a = memo->from, b = memo->to;
    const bool rows = figure->heat != NULL && a.y != b.y;
    for (int y = memo->area.y; y < memo->area.y + memo->area.h; y++) {
        for (int x = memo->area.x; x < memo->area.x + memo->area.w; x++) {
            const bool beside = x < (a.x < b.x ? a.x : b.x) || x > (a.x > b.x ? a.x : b.x);
            const bool above = rows && (y < (a.y < b.y ? a.y : b.y) || y > (a.y > b.y ? a.y : b.y));
            if (!beside && !above) {
                surface->cells[y * surface->cols + x].style ^= PL_REVERSE;
            }
        }
    }
}

bool pl_figure_mouse(pl_screen_model *model, pl_pane pane, pl_mouse mouse, pl_intent *intent,
                     const pl_figure_look *look, const pl_figure *figure)
{
    return act_in_plot(model, pane, mouse, intent, look, figure);
}

bool pl_figure_view_mouse(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                          pl_intent *intent, const pl_figure_look *look)
{
    pl_shown *shown = &model->shown[pl_view_index(pane)];
    if (shown->figure == NULL || rect.h < 3) {
        intent->wait = shown->figure == NULL && shown->error == NULL && shown->needs == NULL;
        return false;
    }
    if (shown->figure->table != NULL) {
        return act_in_table(&shown->memo, shown->figure->table, rect, mouse);
    }
    return pl_figure_mouse(model, pane, mouse, intent, look, shown->figure);
}
