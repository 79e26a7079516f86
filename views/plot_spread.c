/* Fans and boxes: spreads of seven numbers on the canvas. */
#include "views/plot_parts.h"

#include <math.h>
#include <stdlib.h>

enum { MINIMUM, LOW, FIRST, MEDIAN, THIRD, HIGH, MAXIMUM };

/* The dots of a fan in one column; the middle as the range its medians take. */
typedef struct column {
    double low[PL_SPREAD], high[PL_SPREAD];
    bool set;
} column;

static void widen_column(column *c, const double dots[PL_SPREAD])
{
    for (int k = 0; k < PL_SPREAD; k++) {
        c->low[k] = c->set ? fmin(c->low[k], dots[k]) : dots[k];
        c->high[k] = c->set ? fmax(c->high[k], dots[k]) : dots[k];
    }
    c->set = true;
}

static void spread_dots(const pl_plot *p, const double *spread, double dots[PL_SPREAD])
{
    for (int k = 0; k < PL_SPREAD; k++) {
        dots[k] = pl_plot_dot_y(p, spread[k]);
    }
}

/* Columns between two spreads are joined by straight bands. */
static column *gather_dots(const pl_plot *p, const pl_series *series)
{
    column *columns = calloc((size_t)p->canvas.dots_x, sizeof *columns);
    int last = 0;
    double before[PL_SPREAD] = {0};
    for (size_t i = 0; columns != NULL && i < series->count; i++) {
        double dots[PL_SPREAD];
        spread_dots(p, series->y + i * PL_SPREAD, dots);
        int x = pl_plot_dot_x(p, series->x[i]);
        int from = i > 0 && last + 1 > 0 ? last + 1 : i > 0 ? 0 : x;
        for (int at = from; at < x && at < p->canvas.dots_x; at++) {
            double between[PL_SPREAD];
            double share = (double)(at - last) / (x - last);
            for (int k = 0; k < PL_SPREAD; k++) {
                between[k] = before[k] + share * (dots[k] - before[k]);
            }
            widen_column(&columns[at], between);
        }
        if (x >= 0 && x < p->canvas.dots_x) {
            widen_column(&columns[x], dots);
        }
        last = x;
        for (int k = 0; k < PL_SPREAD; k++) {
            before[k] = dots[k];
        }
    }
    return columns;
}

/* How dense a dot of a column is: 0 outside, 1 the whole range, 2 to 99 %, 3 the quartiles. */
static int band_of(const column *c, double y)
{
    return y >= c->low[FIRST] && y <= c->high[THIRD]       ? 3
           : y >= c->low[LOW] && y <= c->high[HIGH]        ? 2
           : y >= c->low[MINIMUM] && y <= c->high[MAXIMUM] ? 1
                                                           : 0;
}

static bool is_dot(int band, int x, int y)
{
    return band == 3 || (band == 2 && (x + y) % 2 == 0) || (band == 1 && (x + 2 * y) % 4 == 0);
}

static void fill_dots(pl_plot *p, const column *columns, unsigned style)
{
    for (int x = 0; x < p->canvas.dots_x; x++) {
        const column *c = &columns[x];
        if (!c->set) {
            continue;
        }
        int top = (int)lround(c->high[MAXIMUM]);
        int bottom = (int)lround(c->low[MINIMUM]);
        for (int y = bottom; y <= top; y++) {
            if (y == top || y == bottom || is_dot(band_of(c, y), x, y)) {
                pl_canvas_run(&p->canvas, x, y, y, style, 0);
            }
        }
    }
}

/* Cells that are no braille: shades, of each cell the densest band that its column reaches. */
static void fill_cells(pl_plot *p, const column *columns, unsigned style)
{
    static const uint32_t shades[] = {' ', 0x2591, 0x2592, 0x2593};
    static const uint32_t plain[] = {' ', '.', ':', '#'};
    int high = pl_canvas_dots_high(p->options->marks);
    for (int x = 0; x < p->canvas.dots_x; x++) {
        const column *c = &columns[x];
        for (int y = 0; c->set && y < p->canvas.dots_y; y += high) {
            int band = 0;
            for (int k = 0; k < high; k++) {
                int here = band_of(c, y + k);
                band = here > band ? here : band;
            }
            bool end = lround(c->high[MAXIMUM]) / high == y / high;
            band = end && band == 0 ? 1 : band;
            if (band > 0) {
                pl_canvas_symbol(&p->canvas, x, y, style,
                                 p->options->marks == PL_MARKS_ASCII ? plain[band] : shades[band]);
            }
        }
    }
}

static void draw_median(pl_plot *p, const column *columns, unsigned style)
{
    bool braille = p->options->marks == PL_MARKS_BRAILLE;
    for (int x = 0; x < p->canvas.dots_x; x++) {
        const column *c = &columns[x];
        if (c->set && braille) {
            pl_canvas_run(&p->canvas, x, (int)lround(c->low[MEDIAN]), (int)lround(c->high[MEDIAN]),
                          style, 0);
        } else if (c->set) {
            pl_canvas_symbol(&p->canvas, x, (int)lround(c->high[MEDIAN]), style,
                             p->options->marks == PL_MARKS_ASCII ? '=' : 0x2500);
        }
    }
}

void pl_plot_fan(pl_plot *p, size_t i)
{
    const pl_series *series = &p->figure->series[i];
    unsigned style = (unsigned)pl_plot_style(series->tone) | p->flags;
    column *columns = gather_dots(p, series);
    if (columns == NULL) {
        return;
    }
    if (pl_plot_is_bars(p->figure, i)) {
        if (p->options->marks == PL_MARKS_BRAILLE) {
            fill_dots(p, columns, style);
        } else {
            fill_cells(p, columns, style);
        }
        draw_median(p, columns, PL_STYLE_STRONG | p->flags);
    } else { /* seen through the other: its ends and its median */
        for (int x = 0; x < p->canvas.dots_x; x++) {
            if (columns[x].set) {
                pl_canvas_cap(&p->canvas, x, (int)lround(columns[x].high[MAXIMUM]), style);
                pl_canvas_cap(&p->canvas, x, (int)lround(columns[x].low[MINIMUM]), style);
            }
        }
        draw_median(p, columns, style);
    }
    free(columns);
}

/* --- boxes ------------------------------------------------------------------------------------ */

/* The number of series of boxes at the same positions, and whether this one must be drawn beside
 * the others. */
static int boxes_of(const pl_figure *figure, size_t index, double *moved)
{
    int slots = 0;
    int same = 0;
    int before = 0;
    const pl_series *own = &figure->series[index];
    for (size_t k = 0; k < figure->n_series; k++) {
        const pl_series *other = &figure->series[k];
        bool box = other->mark == PL_MARK_BOX && other->count > 0 && own->count > 0;
        bool here = box && other->x[0] == own->x[0];
        slots += box;
        same += here;
        before += here && k < index;
    }
    *moved = before - (same - 1) / 2.0;
    return slots > 0 ? slots : 1;
}

static void draw_box(pl_plot *p, const double *spread, int from, int to, unsigned style)
{
    double dots[PL_SPREAD];
    spread_dots(p, spread, dots);
    int at[PL_SPREAD];
    for (int k = 0; k < PL_SPREAD; k++) {
        at[k] = (int)dots[k];
    }
    bool ascii = p->options->marks == PL_MARKS_ASCII;
    bool braille = p->options->marks == PL_MARKS_BRAILLE;
    int middle = (from + to) / 2;
    pl_canvas_run(&p->canvas, middle, at[MINIMUM], at[MINIMUM], style, ascii ? '.' : 0);
    pl_canvas_run(&p->canvas, middle, at[MAXIMUM], at[MAXIMUM], style, ascii ? '\'' : 0);
    pl_canvas_run(&p->canvas, middle, at[LOW], at[HIGH], style, ascii ? '|' : 0x2502);
    bool hollow = braille && to - from >= 3;
    for (int x = from; x <= to; x++) {
        if (!hollow || x == from || x == to) {
            pl_canvas_run(&p->canvas, x, at[FIRST], at[THIRD], style, ascii ? '#' : 0x2588);
        } else {
            pl_canvas_run(&p->canvas, x, at[FIRST], at[FIRST], style, 0);
            pl_canvas_run(&p->canvas, x, at[MEDIAN], at[MEDIAN], style, 0);
            pl_canvas_run(&p->canvas, x, at[THIRD], at[THIRD], style, 0);
        }
        if (!braille) {
            pl_canvas_symbol(&p->canvas, x, at[MEDIAN], PL_STYLE_STRONG | p->flags,
                             ascii ? '=' : 0x2501);
        }
    }
}

void pl_plot_boxes(pl_plot *p, size_t i)
{
    const pl_series *series = &p->figure->series[i];
    unsigned style = (unsigned)pl_plot_style(series->tone) | p->flags;
    double moved = 0;
    int slots = boxes_of(p->figure, i, &moved);
    double unit = p->canvas.dots_x / (p->figure->x.hi - p->figure->x.lo);
    double width = fmin(unit * 0.7 / slots, 12);
    for (size_t k = 0; k < series->count; k++) {
        double x = series->x[k];
        if (x < p->figure->x.lo || x > p->figure->x.hi) {
            continue;
        }
        double centre = pl_plot_share(&p->figure->x, x) * p->canvas.dots_x +
                        moved * fmin(unit * 0.8 / slots, 15);
        int from = (int)floor(centre - width / 2 + 0.5);
        int to = from + (int)fmax(width - 1, 0);
        draw_box(p, series->y + k * PL_SPREAD, from, to, style);
    }
}
