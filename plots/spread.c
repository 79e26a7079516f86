#include "plots/spread.h"

#include "plots/series_style.h"
#include "plots/style.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdlib.h>

enum { MIN, P1, P25, MEDIAN, P75, P99, MAX };

#define BOX_LEAST 2.2  /* points: thinner boxes become a fan */
#define BOX_LARGEST 26 /* points */
#define ONE_BOX 0.6    /* of a unit of x that a box takes, and all side by side */
#define ALL_BOXES 0.84
#define WIDE 0.28 /* opacity of the band from 1 to 99 %, of the one from 25 to 75 % above it */
#define NARROW 0.5

static bool is_box(const pl_series *series)
{
    return series->mark == PL_MARK_BOX && series->count > 0;
}

/* Least distance on the page of a unit of x and of neighbours in any series of boxes. */
static double box_unit(const pl_figure *figure, const pl_layout *layout)
{
    double unit = layout->plot.x1 - layout->plot.x0;
    if (!figure->x.log) {
        unit /= figure->x.hi - figure->x.lo;
    }
    for (size_t i = 0; i < figure->n_series; i++) {
        const pl_series *series = &figure->series[i];
        for (size_t k = 1; is_box(series) && k < series->count; k++) {
            double distance = fabs(pl_layout_at_x(layout, figure, series->x[k]) -
                                   pl_layout_at_x(layout, figure, series->x[k - 1]));
            unit = distance > 0 ? fmin(unit, distance) : unit;
        }
    }
    return fmin(unit, layout->plot.x1 - layout->plot.x0);
}

double pl_spread_width(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                       double *shift)
{
    *shift = 0;
    if (!is_box(series)) {
        return 0;
    }
    size_t beside = 0;
    size_t rank = 0;
    double unit = box_unit(figure, layout);
    double nearest = INFINITY;
    for (size_t i = 0; i < figure->n_series; i++) {
        const pl_series *other = &figure->series[i];
        if (!is_box(other)) {
            continue;
        }
        double distance = fabs(pl_layout_at_x(layout, figure, other->x[0]) -
                               pl_layout_at_x(layout, figure, series->x[0]));
        if (distance < 1e-6) {
            rank = other == series ? beside : rank;
            beside++;
        } else {
            nearest = fmin(nearest, distance);
        }
    }
    unit = fmin(unit, nearest);
    double slot = (beside > 1 ? ALL_BOXES : ONE_BOX) * unit / (double)beside;
    double width = fmin((beside > 1 ? 0.86 : 1) * slot, BOX_LARGEST);
    if (width < BOX_LEAST) {
        return 0;
    }
    slot = fmin(slot, BOX_LARGEST * 1.16);
    *shift = ((double)rank - ((double)beside - 1) / 2) * (beside > 1 ? slot : 0);
    return width;
}

static pl_column column_of(const pl_figure *figure, const pl_layout *layout,
                           const pl_series *series, size_t i)
{
    pl_column c = {.x = pl_layout_at_x(layout, figure, series->x[i])};
    for (size_t k = 0; k < PL_SPREAD; k++) {
        c.y[k] = pl_layout_at_y(layout, figure, series->y[i * PL_SPREAD + k]);
    }
    c.top = c.y[MEDIAN];
    return c;
}

static void join_column(pl_column *into, const pl_column *c)
{
    for (int k = MIN; k < MEDIAN; k++) {
        into->y[k] = fmax(into->y[k], c->y[k]);
    }
    for (int k = P75; k <= MAX; k++) {
        into->y[k] = fmin(into->y[k], c->y[k]);
    }
    into->y[MEDIAN] = fmax(into->y[MEDIAN], c->y[MEDIAN]);
    into->top = fmin(into->top, c->top);
}

pl_status pl_spread_columns(const pl_figure *figure, const pl_layout *layout,
                            const pl_series *series, pl_column **out, size_t *count, pl_error *err)
{
    *out = NULL;
    *count = 0;
    if (pl_mark_width(series->mark) == 1 || series->count == 0) {
        return PL_OK;
    }
    pl_column *columns = pl_alloc(series->count, sizeof *columns);
    if (columns == NULL) {
        return pl_error_memory(err, "%zu spreads", series->count);
    }
    double shift = 0;
    bool boxes = pl_spread_width(figure, layout, series, &shift) > 0;
    size_t n = 0;
    for (size_t i = 0; i < series->count; i++) {
        pl_column c = column_of(figure, layout, series, i);
        if (series->mark == PL_MARK_BOX && !boxes && figure->x.names != NULL) {
            /* Boxes stood side by side around their name: bands lie over each other. */
            c.x = pl_layout_at_x(layout, figure, round(series->x[i]));
        }
        c.x += shift;
        bool same = n > 0 && floor(columns[n - 1].x / layout->pixel) == floor(c.x / layout->pixel);
        if (same && !boxes) {
            join_column(&columns[n - 1], &c);
        } else {
            columns[n++] = c;
        }
    }
    *out = columns;
    *count = n;
    return PL_OK;
}

/* --- fans --------------------------------------------------------------------------------------
 */

static void band_path(cairo_t *cr, const pl_column *columns, size_t count, int low, int high)
{
    cairo_new_path(cr);
    for (size_t i = 0; i < count; i++) {
        cairo_line_to(cr, columns[i].x, columns[i].y[high]);
    }
    for (size_t i = count; i-- > 0;) {
        cairo_line_to(cr, columns[i].x, columns[i].y[low]);
    }
    cairo_close_path(cr);
}

static void level_path(cairo_t *cr, const pl_column *columns, size_t count, int level)
{
    cairo_new_path(cr);
    for (size_t i = 0; i < count; i++) {
        cairo_line_to(cr, columns[i].x, columns[i].y[level]);
        if (level == MEDIAN && columns[i].top < columns[i].y[MEDIAN]) {
            cairo_line_to(cr, columns[i].x, columns[i].top);
        }
    }
}

static void draw_bands(cairo_t *cr, const pl_layout *layout, const pl_style *style,
                       const pl_column *columns, size_t count)
{
    double pale = style->hatch != 0 ? 0.45 : 1; /* hatched ones let those behind show through */
    band_path(cr, columns, count, P1, P99);
    pl_style_colour(cr, style, pale * WIDE);
    cairo_fill(cr);
    band_path(cr, columns, count, P25, P75);
    pl_style_colour(cr, style, pale * NARROW);
    cairo_fill(cr);
    if (style->hatch != 0) {
        cairo_save(cr);
        band_path(cr, columns, count, P25, P75);
        cairo_clip(cr);
        pl_series_hatch(cr, layout, style, layout->plot);
        cairo_restore(cr);
    }
}

static void draw_fan(cairo_t *cr, const pl_layout *layout, const pl_style *style,
                     const pl_column *columns, size_t count)
{
    pl_style line = pl_style_darker(style);
    double full = line.line;
    draw_bands(cr, layout, style, columns, count);
    line.line = fmax(0.5, layout->pixel / layout->scale);
    for (int level = MIN; level <= MAX; level += MAX - MIN) {
        level_path(cr, columns, count, level);
        pl_style_stroke(cr, &line, layout->scale, true);
    }
    line.line = full;
    level_path(cr, columns, count, MEDIAN);
    pl_style_stroke(cr, &line, layout->scale, true);
}

/* --- boxes -------------------------------------------------------------------------------------
 */

static void across(cairo_t *cr, double x, double half, double y)
{
    cairo_move_to(cr, x - half, y);
    cairo_line_to(cr, x + half, y);
}

static void whisker(cairo_t *cr, double x, double half, double from, double to)
{
    cairo_move_to(cr, x, from);
    cairo_line_to(cr, x, to);
    across(cr, x, half, to);
}

static void draw_box(cairo_t *cr, const pl_layout *layout, const pl_style *style,
                     const pl_column *c, double width)
{
    pl_style dark = pl_style_darker(style);
    double line = pl_layout_width(layout, fmin(0.7 * layout->scale, width / 6));
    double half = width / 2;
    double x = pl_layout_snap(layout, c->x, line);
    pl_area box = {pl_layout_snap(layout, x - half, line), pl_layout_snap(layout, c->y[P75], line),
                   pl_layout_snap(layout, x + half, line), pl_layout_snap(layout, c->y[P25], line)};
    cairo_new_path(cr);
    whisker(cr, x, 0.5 * half, box.y1, pl_layout_snap(layout, c->y[P1], line));
    whisker(cr, x, 0.5 * half, box.y0, pl_layout_snap(layout, c->y[P99], line));
    cairo_set_line_width(cr, line);
    pl_style_colour(cr, &dark, 1);
    cairo_stroke(cr);
    cairo_rectangle(cr, box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_fill_preserve(cr);
    pl_style_colour(cr, style, style->hatch != 0 ? 0.2 : 0.5);
    cairo_fill_preserve(cr);
    if (style->hatch != 0) {
        cairo_save(cr);
        cairo_clip_preserve(cr);
        cairo_path_t *outline = cairo_copy_path(cr);
        cairo_new_path(cr);
        pl_series_hatch(cr, layout, style, box);
        cairo_append_path(cr, outline);
        cairo_path_destroy(outline);
        cairo_restore(cr);
    }
    cairo_set_line_width(cr, line);
    pl_style_colour(cr, &dark, 1);
    cairo_stroke(cr);
    double thick = pl_layout_width(layout, fmin(1.4 * layout->scale, width / 4));
    across(cr, x, (box.x1 - box.x0) / 2, pl_layout_snap(layout, c->y[MEDIAN], thick));
    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_set_line_width(cr, thick);
    cairo_stroke(cr);
}

/* The extremes, where they lie apart from the whiskers' ends and on the axis. */
static void draw_extremes(cairo_t *cr, const pl_layout *layout, const pl_style *style,
                          const pl_column *c, double width)
{
    double radius = fmin(0.17 * layout->small, 0.28 * width);
    pl_style mark = pl_style_darker(style);
    mark.open = true;
    double bottom = layout->plot.y1 - 0.5 * layout->pixel;
    if (c->y[MAX] < c->y[P99] - layout->pixel) {
        pl_style_marker(cr, &mark, c->x, c->y[MAX], radius, 0);
    }
    if (c->y[MIN] > c->y[P1] + layout->pixel && c->y[MIN] < bottom) {
        pl_style_marker(cr, &mark, c->x, c->y[MIN], radius, 0);
    }
}

void pl_spread_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                    const pl_series *series, const pl_column *columns, size_t count)
{
    const pl_style own = pl_series_style(layout, series);
    const pl_style *style = &own;
    double shift = 0;
    double width = pl_spread_width(figure, layout, series, &shift);
    if (width == 0 && count > 1) {
        draw_fan(cr, layout, style, columns, count);
        return;
    }
    width = width > 0 ? width : fmin(BOX_LARGEST, 0.2 * (layout->plot.x1 - layout->plot.x0));
    for (size_t i = 0; i < count; i++) {
        draw_box(cr, layout, style, &columns[i], width);
        draw_extremes(cr, layout, style, &columns[i], width);
    }
}

void pl_spread_swatch(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                      const pl_series *series, pl_area box)
{
    const pl_style own = pl_series_style(layout, series);
    const pl_style *style = &own;
    double shift = 0;
    double width = pl_spread_width(figure, layout, series, &shift);
    double height = box.y1 - box.y0;
    double x = (box.x0 + box.x1) / 2;
    double middle = (box.y0 + box.y1) / 2;
    if (width > 0 || series->count == 1) {
        pl_column c = {.x = x, .top = middle};
        const double levels[PL_SPREAD] = {-0.7, -0.7, -0.42, 0, 0.42, 0.7, 0.7};
        for (size_t k = 0; k < PL_SPREAD; k++) {
            c.y[k] = middle - levels[k] * height;
        }
        draw_box(cr, layout, style, &c, 0.55 * (box.x1 - box.x0));
        return;
    }
    pl_column ends[2];
    const double levels[PL_SPREAD] = {-0.6, -0.55, -0.3, 0, 0.3, 0.55, 0.6};
    for (int i = 0; i < 2; i++) {
        ends[i].x = i == 0 ? box.x0 : box.x1;
        ends[i].top = middle;
        for (size_t k = 0; k < PL_SPREAD; k++) {
            ends[i].y[k] = middle - levels[k] * height;
        }
    }
    draw_fan(cr, layout, style, ends, 2);
}
