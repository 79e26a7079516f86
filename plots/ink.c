#include "plots/ink.h"

#include "plots/marks.h"
#include "plots/spread.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_CELLS = 512 };

#define CELL 2.0 /* points */

static size_t cells_along(double length)
{
    double cells = ceil(length / CELL);
    return cells < 1 ? 1 : cells > MAX_CELLS ? MAX_CELLS : (size_t)cells;
}

pl_status pl_ink_init(pl_ink *ink, pl_area area, pl_error *err)
{
    *ink = (pl_ink){.area = area,
                    .cols = cells_along(area.x1 - area.x0),
                    .rows = cells_along(area.y1 - area.y0)};
    ink->cells = calloc(ink->cols * ink->rows, sizeof *ink->cells);
    return ink->cells != NULL ? PL_OK : pl_error_memory(err, "the text of a figure");
}

void pl_ink_deinit(pl_ink *ink)
{
    free(ink->cells);
    *ink = (pl_ink){0};
}

typedef struct span {
    size_t first, end;
} span;

/* The cells of [a, b] along one direction, at least one where it meets [lo, hi]. */
static span cells_of(double a, double b, double lo, double hi, size_t count)
{
    double scale = (double)count / (hi - lo);
    double first = floor((a - lo) * scale);
    double end = ceil((b - lo) * scale);
    if (b < lo || a > hi) {
        return (span){0, 0};
    }
    end = fmax(end, first + 1);
    first = fmin(fmax(first, 0), (double)count - 1);
    end = fmin(fmax(end, 1), (double)count);
    return (span){(size_t)first, (size_t)end};
}

void pl_ink_add(pl_ink *ink, pl_area rect, double weight)
{
    span c = cells_of(rect.x0, rect.x1, ink->area.x0, ink->area.x1, ink->cols);
    span r = cells_of(rect.y0, rect.y1, ink->area.y0, ink->area.y1, ink->rows);
    for (size_t i = r.first; i < r.end; i++) {
        for (size_t j = c.first; j < c.end; j++) {
            ink->cells[i * ink->cols + j] += weight;
        }
    }
}

double pl_ink_cost(const pl_ink *ink, pl_area rect)
{
    const pl_area *area = &ink->area;
    if (!(rect.x0 >= area->x0 && rect.x1 <= area->x1 && rect.y0 >= area->y0 &&
          rect.y1 <= area->y1)) {
        return INFINITY;
    }
    span c = cells_of(rect.x0, rect.x1, area->x0, area->x1, ink->cols);
    span r = cells_of(rect.y0, rect.y1, area->y0, area->y1, ink->rows);
    double cost = 0;
    for (size_t i = r.first; i < r.end; i++) {
        for (size_t j = c.first; j < c.end; j++) {
            cost += ink->cells[i * ink->cols + j];
        }
    }
    return cost;
}

static void add_bars(pl_ink *ink, const pl_bar *bars, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pl_ink_add(ink, (pl_area){bars[i].x0, bars[i].y0, bars[i].x1, bars[i].y1}, PL_INK_BODY);
        pl_ink_add(ink, (pl_area){bars[i].x0, bars[i].y0, bars[i].x1, bars[i].y0}, PL_INK_EDGE);
    }
}

static void add_dots(pl_ink *ink, const pl_point *points, size_t count, double radius)
{
    for (size_t i = 0; i < count; i++) {
        pl_point p = points[i];
        pl_ink_add(ink, (pl_area){p.x - radius, p.y - radius, p.x + radius, p.y + radius},
                   PL_INK_EDGE);
    }
}

static void add_line(pl_ink *ink, const pl_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pl_point p = points[i];
        pl_point q = i + 1 < count ? points[i + 1] : p;
        int steps = 1 + (int)fmin(hypot(q.x - p.x, q.y - p.y) / CELL, 4.0 * MAX_CELLS);
        for (int k = 0; k < steps; k++) {
            double x = p.x + (q.x - p.x) * k / steps;
            double y = p.y + (q.y - p.y) * k / steps;
            pl_ink_add(ink, (pl_area){x, y, x, y}, PL_INK_EDGE);
        }
    }
}

/* Bands and boxes: their bodies, and the values at the median and the extremes. */
static void add_spreads(pl_ink *ink, const pl_column *columns, size_t count, double width)
{
    for (size_t i = 0; i < count; i++) {
        const pl_column *c = &columns[i];
        const pl_column *next = width == 0 && i + 1 < count ? &columns[i + 1] : c;
        double x0 = c->x - width / 2;
        double x1 = next->x + width / 2;
        pl_ink_add(ink, (pl_area){x0, fmin(c->y[5], next->y[5]), x1, fmax(c->y[1], next->y[1])},
                   PL_INK_BODY);
        for (size_t k = 0; k < PL_SPREAD; k += 3) {
            pl_point ends[2] = {{x0, c->y[k]}, {x1, next->y[k]}};
            add_line(ink, ends, 2);
        }
    }
}

static pl_status ink_series(pl_ink *ink, const pl_figure *whole, const pl_layout *layout,
                            const pl_series *series, pl_error *err)
{
    const pl_figure own = pl_figure_for(whole, series);
    const pl_figure *figure = &own;
    pl_bar *bars = NULL;
    pl_point *points = NULL;
    pl_column *columns = NULL;
    size_t n_bars = 0;
    size_t n_points = 0;
    size_t n_columns = 0;
    pl_status status = pl_marks_bars(figure, layout, series, &bars, &n_bars, err);
    PL_THEN(pl_marks_points(figure, layout, series, &points, &n_points, err));
    if (status == PL_OK) {
        add_bars(ink, bars, n_bars);
        if (series->mark == PL_MARK_LINE) {
            add_line(ink, points, n_points);
        } else {
            add_dots(ink, points, n_points, pl_marks_radius(layout, series));
        }
        status = pl_spread_columns(figure, layout, series, &columns, &n_columns, err);
    }
    if (status == PL_OK && n_columns > 0) {
        double shift = 0;
        add_spreads(ink, columns, n_columns, pl_spread_width(figure, layout, series, &shift));
    }
    free(columns);
    free(bars);
    free(points);
    return status;
}

pl_status pl_ink_figure(pl_ink *ink, const pl_figure *figure, const pl_layout *layout,
                        pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < figure->n_series; i++) {
        status = ink_series(ink, figure, layout, &figure->series[i], err);
    }
    return status;
}
