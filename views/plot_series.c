/* Lines, points, stems and steps on the canvas. */
#include "views/plot_parts.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

bool pl_plot_is_bars(const pl_figure *figure, size_t i)
{
    size_t last = 0;
    for (size_t k = 0; k < figure->n_series; k++) {
        last = figure->series[k].tone < PL_TONE_EXTRA ? k : last;
    }
    return i == last;
}

uint32_t pl_plot_symbol(const pl_figure *figure, size_t i, const pl_plot_options *options)
{
    static const char plain[] = "ox+*#%@&=~^$";
    static const uint32_t shapes[] = {0x25cf, 0x25cb, 0x25b2, 0x25b3, 0x25a0, 0x25a1,
                                      0x25c6, 0x25c7, 0x2715, 0x2b,   0x2a,   0x23};
    const pl_series *series = &figure->series[i];
    bool ascii = options->marks == PL_MARKS_ASCII || options->marks == PL_MARKS_HALVES;
    size_t shape = i % (sizeof shapes / sizeof *shapes);
    switch (series->mark) {
    case PL_MARK_STEMS:
    case PL_MARK_STEPS:
        if (!pl_plot_is_bars(figure, i)) {
            return options->marks == PL_MARKS_ASCII ? '\'' : 0xb7;
        }
        return options->marks == PL_MARKS_ASCII ? ':' : 0x2588;
    case PL_MARK_FAN:
        return !pl_plot_is_bars(figure, i)        ? (uint32_t)(ascii ? '-' : 0x2500)
               : options->marks == PL_MARKS_ASCII ? '#'
                                                  : 0x2593;
    case PL_MARK_BOX:
        return options->marks == PL_MARKS_ASCII ? '#' : 0x25ae;
    case PL_MARK_LINE:
        if (options->marks != PL_MARKS_ASCII && series->count > PL_PLOT_FEW &&
            (options->colours > 0 || figure->n_series == 1)) {
            return 0x2501;
        }
        break;
    default:
        break;
    }
    return ascii ? (uint32_t)plain[shape] : shapes[shape];
}

/* Dots from the bottom; at least one for anything above the axis, so that nothing vanishes. */
static int height_of(const pl_plot *p, double value)
{
    double share = pl_plot_share(&p->figure->y, value);
    if (!(share > 0)) {
        return 0;
    }
    int dots = share >= 1 ? p->canvas.dots_y : (int)lround(share * p->canvas.dots_y);
    return dots < 1 ? 1 : dots;
}

static void put_heights(pl_plot *p, const int *tallest, bool caps, unsigned style)
{
    for (int x = 0; x < p->canvas.dots_x; x++) {
        if (tallest[x] > 0 && caps) {
            pl_canvas_cap(&p->canvas, x, tallest[x] - 1, style);
        } else if (tallest[x] > 0) {
            pl_canvas_bar(&p->canvas, x, tallest[x], style);
        }
    }
}

static void draw_stems(pl_plot *p, const pl_series *series, int *tallest)
{
    for (size_t i = 0; i < series->count; i++) {
        int from = 0;
        int to = 0;
        if (!pl_plot_columns(p, series->x[i], &from, &to)) {
            continue;
        }
        int height = height_of(p, series->y[i]);
        for (int x = from; x <= to; x++) {
            tallest[x] = height > tallest[x] ? height : tallest[x];
        }
    }
}

static void draw_steps(pl_plot *p, const pl_series *series, int *tallest)
{
    const pl_axis *axis = &p->figure->x;
    for (size_t i = 0; i < series->count; i++) {
        if (series->x[i + 1] < axis->lo || series->x[i] > axis->hi) {
            continue;
        }
        int from = pl_plot_dot_x(p, fmax(series->x[i], axis->lo));
        int to = pl_plot_dot_x(p, fmin(series->x[i + 1], axis->hi));
        to -= to > from; /* the next bin's first column */
        int height = height_of(p, series->y[i]);
        for (int x = from < 0 ? 0 : from; x <= to && x < p->canvas.dots_x; x++) {
            tallest[x] = height > tallest[x] ? height : tallest[x];
        }
    }
}

/* --- lines ------------------------------------------------------------------------------------ */

typedef struct extent {
    int *low, *high; /* [dots_x] dots of the line in every column; low > high: none */
    int columns;
} extent;

static void widen(const extent *e, int x, double y)
{
    int dot = (int)lround(y);
    if (x >= 0 && x < e->columns) {
        e->low[x] = dot < e->low[x] ? dot : e->low[x];
        e->high[x] = dot > e->high[x] ? dot : e->high[x];
    }
}

/* Columns between two points are joined: a column meets its neighbour half way. */
static void join_dots(const extent *e, int xa, int ya, int xb, int yb)
{
    if (xa > xb) {
        int x = xa;
        int y = ya;
        xa = xb;
        ya = yb;
        xb = x;
        yb = y;
    }
    double slope = xb > xa ? (double)(yb - ya) / (xb - xa) : 0;
    int from = xa + 1 < 0 ? 0 : xa + 1;
    int to = xb > e->columns ? e->columns : xb;
    for (int x = from; x <= to; x++) {
        double y = ya + slope * (x - xa);
        widen(e, x - 1, y - slope / 2);
        widen(e, x, y - slope / 2);
        widen(e, x, y);
    }
    widen(e, xa, ya);
    widen(e, xb, yb);
}

static bool shows(const pl_axis *axis, double value)
{
    return isfinite(value) && (!axis->log || value > 0);
}

static void draw_series_line(pl_plot *p, const pl_series *series, unsigned style, uint32_t code)
{
    size_t n = (size_t)p->canvas.dots_x;
    extent e = {malloc(n * sizeof(int)), malloc(n * sizeof(int)), p->canvas.dots_x};
    if (e.low == NULL || e.high == NULL) {
        free(e.low);
        free(e.high);
        return;
    }
    for (size_t x = 0; x < n; x++) {
        e.low[x] = INT_MAX;
        e.high[x] = INT_MIN;
    }
    bool drawing = false;
    int last_x = 0;
    int last_y = 0;
    for (size_t i = 0; i < series->count; i++) {
        if (!shows(&p->figure->x, series->x[i]) || !shows(&p->figure->y, series->y[i])) {
            drawing = false;
            continue;
        }
        int x = pl_plot_dot_x(p, series->x[i]);
        int y = pl_plot_dot_y(p, series->y[i]);
        if (drawing) {
            join_dots(&e, last_x, last_y, x, y);
        } else {
            widen(&e, x, y);
        }
        drawing = true;
        last_x = x;
        last_y = y;
    }
    for (int x = 0; x < e.columns; x++) {
        if (e.low[x] <= e.high[x]) {
            pl_canvas_run(&p->canvas, x, e.low[x], e.high[x], style, code);
        }
    }
    free(e.low);
    free(e.high);
}

/* Every stride-th point as a symbol; the others as dots. */
static void draw_symbols(pl_plot *p, const pl_series *series, unsigned style, uint32_t code,
                         size_t stride, size_t first)
{
    for (size_t i = first; i < series->count; i += stride) {
        if (shows(&p->figure->y, series->y[i]) && series->x[i] >= p->figure->x.lo &&
            series->x[i] <= p->figure->x.hi) {
            pl_canvas_symbol(&p->canvas, pl_plot_dot_x(p, series->x[i]),
                             pl_plot_dot_y(p, series->y[i]), style, code);
        }
    }
}

static void draw_points(pl_plot *p, size_t index, unsigned style)
{
    const pl_series *series = &p->figure->series[index];
    uint32_t code = pl_plot_symbol(p->figure, index, p->options);
    if (series->count <= (size_t)p->area.w || p->options->marks != PL_MARKS_BRAILLE) {
        draw_symbols(p, series, style, code, 1, 0);
        return;
    }
    for (size_t i = 0; i < series->count; i++) {
        if (shows(&p->figure->y, series->y[i]) && series->x[i] >= p->figure->x.lo &&
            series->x[i] <= p->figure->x.hi) {
            int y = pl_plot_dot_y(p, series->y[i]);
            pl_canvas_run(&p->canvas, pl_plot_dot_x(p, series->x[i]), y, y, style, 0);
        }
    }
}

/* Few points are seen as such; without colours symbols on the way tell the lines apart. */
static void draw_line_series(pl_plot *p, size_t index, unsigned style)
{
    const pl_series *series = &p->figure->series[index];
    bool ascii = p->options->marks == PL_MARKS_ASCII;
    uint32_t code = pl_plot_symbol(p->figure, index, p->options);
    bool several = p->figure->n_series > 1;
    bool named = series->label != NULL && series->label[0] != '\0';
    draw_series_line(p, series, style, !ascii ? 0 : named ? code : '.');
    if (!named) {
        return; /* joins the points of another series */
    }
    if (series->count <= PL_PLOT_FEW) {
        draw_symbols(p, series, style, code, 1, 0);
    } else if (several && p->options->colours == 0) {
        size_t stride = series->count * 12 / (size_t)p->area.w;
        stride = stride > 0 ? stride : 12;
        size_t first = stride * (index + 1) / (p->figure->n_series + 1);
        draw_symbols(p, series, style, code, stride, first);
    }
}

void pl_plot_series(pl_plot *p, size_t i)
{
    const pl_series *series = &p->figure->series[i];
    unsigned style = (unsigned)pl_plot_style(series->tone) | p->flags;
    if (series->mark == PL_MARK_LINE) {
        draw_line_series(p, i, style);
        return;
    }
    if (series->mark == PL_MARK_POINTS) {
        draw_points(p, i, style);
        return;
    }
    int *tallest = calloc((size_t)p->canvas.dots_x, sizeof *tallest);
    if (tallest == NULL) {
        return;
    }
    if (series->mark == PL_MARK_STEPS) {
        draw_steps(p, series, tallest);
    } else {
        draw_stems(p, series, tallest);
    }
    put_heights(p, tallest, !pl_plot_is_bars(p->figure, i), style);
    free(tallest);
}
