#include "plots/marks.h"

#include "plots/spread.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdlib.h>

#define BAR_MIN 0.5 /* points: thinner bars vanish in print */
#define BAR_MAX 3.0
#define NAMED_MAX 16.0 /* of bars that stand at names, not at numbers */
#define STEMS_FROM 3.0 /* distance, points, from which stems stand apart ... */
#define OUTLINE 0.75   /* points: of a silhouette behind another one */
#define STEMS_PIXELS 6 /* ... and in pixels; closer ones join to a silhouette */

/* Where stems start: zero, or the axis' end nearest to it. */
static double base_of(const pl_figure *figure, const pl_layout *layout)
{
    return pl_layout_at_y(layout, figure, figure->y.log ? figure->y.lo : 0);
}

static pl_bar make_bar(const pl_figure *figure, const pl_layout *layout, double x0, double x1,
                       double low, double high)
{
    double base = base_of(figure, layout);
    double top = pl_layout_at_y(layout, figure, high);
    double bottom = pl_layout_at_y(layout, figure, low);
    return (pl_bar){x0, x1, fmin(top, base), fmax(bottom, base)};
}

/* Mean distance of neighbouring stems on the page. */
static double spacing_of(const pl_figure *figure, const pl_layout *layout, const pl_series *series)
{
    if (series->count < 2) {
        return layout->plot.x1 - layout->plot.x0;
    }
    double first = pl_layout_at_x(layout, figure, series->x[0]);
    double last = pl_layout_at_x(layout, figure, series->x[series->count - 1]);
    return fabs(last - first) / (double)(series->count - 1);
}

static bool stand_apart(const pl_layout *layout, double spacing)
{
    return spacing >= STEMS_FROM && spacing >= STEMS_PIXELS * layout->pixel;
}

static double widest_bar(const pl_figure *figure)
{
    return figure->x.names != NULL ? NAMED_MAX : BAR_MAX;
}

static double dot_radius(const pl_layout *layout)
{
    return 0.18 * layout->small;
}

static double round_to(double value, double unit)
{
    return round(value / unit) * unit;
}

/* One bar a stem. */
static size_t stem_bars(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                        pl_bar *bars)
{
    double spacing = spacing_of(figure, layout, series);
    double width = stand_apart(layout, spacing) ? fmin(0.6 * spacing, widest_bar(figure)) : spacing;
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        double x = pl_layout_at_x(layout, figure, series->x[i]);
        double x0 = round_to(x - width / 2, layout->pixel);
        double x1 = fmax(round_to(x + width / 2, layout->pixel), x0 + layout->pixel);
        double y = series->y[i];
        pl_bar bar = make_bar(figure, layout, x0, x1, y, y);
        if (bar.y1 > bar.y0) {
            bars[count++] = bar;
        }
    }
    return count;
}

/* One bar a column of the page, from the smallest to the largest of the stems in it. */
static size_t column_bars(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                          double width, size_t columns, pl_bar *bars)
{
    double origin = floor(layout->plot.x0 / layout->pixel + 1e-6) * layout->pixel;
    for (size_t i = 0; i < columns; i++) {
        bars[i] = (pl_bar){INFINITY, 0, INFINITY, -INFINITY};
    }
    for (size_t i = 0; i < series->count; i++) {
        double x = pl_layout_at_x(layout, figure, series->x[i]);
        if (x < layout->plot.x0 || x > layout->plot.x1) {
            continue;
        }
        double place = floor((x - origin) / width);
        size_t column = place < 0 ? 0 : (size_t)place;
        column = column < columns ? column : columns - 1;
        double x0 = origin + (double)column * width;
        double y = series->y[i];
        pl_bar bar = make_bar(figure, layout, x0, x0 + width, y, y);
        bars[column].x0 = bar.x0;
        bars[column].x1 = bar.x1;
        bars[column].y0 = fmin(bars[column].y0, bar.y0);
        bars[column].y1 = fmax(bars[column].y1, bar.y1);
    }
    size_t count = 0;
    for (size_t i = 0; i < columns; i++) {
        if (bars[i].y1 > bars[i].y0) {
            bars[count++] = bars[i];
        }
    }
    return count;
}

static size_t step_bars(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                        pl_bar *bars)
{
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        double x0 = pl_layout_at_x(layout, figure, series->x[i]);
        double x1 = pl_layout_at_x(layout, figure, series->x[i + 1]);
        pl_bar bar = make_bar(figure, layout, x0, x1, series->y[i], series->y[i]);
        if (bar.y1 > bar.y0) {
            bars[count++] = bar;
        }
    }
    return count;
}

pl_status pl_marks_bars(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                        pl_bar **out, size_t *count, pl_error *err)
{
    *out = NULL;
    *count = 0;
    bool stems = series->mark == PL_MARK_STEMS;
    if ((!stems && series->mark != PL_MARK_STEPS) || series->count == 0) {
        return PL_OK;
    }
    double width = fmax(1, ceil(BAR_MIN / layout->pixel)) * layout->pixel;
    bool columns = stems && spacing_of(figure, layout, series) < width;
    size_t n =
        columns ? (size_t)ceil((layout->plot.x1 - layout->plot.x0) / width) + 1 : series->count;
    pl_bar *bars = pl_alloc(n, sizeof *bars);
    if (bars == NULL) {
        return pl_error_memory(err, "%zu bars", n);
    }
    *count = !stems    ? step_bars(figure, layout, series, bars)
             : columns ? column_bars(figure, layout, series, width, n, bars)
                       : stem_bars(figure, layout, series, bars);
    *out = bars;
    return PL_OK;
}

/* First, lowest, highest and last point of a pixel column, in their order. */
typedef struct column {
    double place;
    pl_point first, low, high, last;
    bool high_first;
} column;

static size_t flush_column(const column *c, pl_point *out)
{
    out[0] = c->first;
    out[1] = c->high_first ? c->high : c->low;
    out[2] = c->high_first ? c->low : c->high;
    out[3] = c->last;
    return 4;
}

static pl_point point_of(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                         size_t i)
{
    return (pl_point){pl_layout_at_x(layout, figure, series->x[i]),
                      pl_layout_at_y(layout, figure, series->y[i])};
}

static size_t thin_points(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                          pl_point *out)
{
    size_t count = 0;
    column c = {.place = -INFINITY};
    for (size_t i = 0; i < series->count; i++) {
        pl_point p = point_of(figure, layout, series, i);
        double place = floor(p.x / layout->pixel);
        if (place != c.place) {
            count += i > 0 ? flush_column(&c, out + count) : 0;
            c = (column){place, p, p, p, p, false};
            continue;
        }
        if (p.y < c.high.y) {
            c.high = p;
            c.high_first = false;
        }
        if (p.y > c.low.y) {
            c.low = p;
            c.high_first = true;
        }
        c.last = p;
    }
    return count + flush_column(&c, out + count);
}

/* Every point, but one only of neighbours that share a pixel. */
static size_t all_points(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                         pl_point *out)
{
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        pl_point p = point_of(figure, layout, series, i);
        bool same = count > 0 &&
                    floor(p.x / layout->pixel) == floor(out[count - 1].x / layout->pixel) &&
                    floor(p.y / layout->pixel) == floor(out[count - 1].y / layout->pixel);
        if (!same) {
            out[count++] = p;
        }
    }
    return count;
}

pl_status pl_marks_points(const pl_figure *figure, const pl_layout *layout, const pl_series *series,
                          pl_point **out, size_t *count, pl_error *err)
{
    *out = NULL;
    *count = 0;
    bool points = series->mark == PL_MARK_LINE || series->mark == PL_MARK_POINTS;
    if (!points || series->count == 0) {
        return PL_OK;
    }
    size_t n = 0;
    pl_point *p = pl_mul(series->count, 4, &n) ? pl_alloc(n, sizeof *p) : NULL;
    if (p == NULL) {
        return pl_error_memory(err, "%zu points", series->count);
    }
    *count = series->mark == PL_MARK_LINE ? thin_points(figure, layout, series, p)
                                          : all_points(figure, layout, series, p);
    *out = p;
    return PL_OK;
}

static void dot(cairo_t *cr, const pl_layout *layout, double x, double y)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, y, dot_radius(layout), 0, 2 * M_PI);
}

/* A bar's width in front of `index` others: 1, 1/2, 1/3 ... of it, in whole pixels. */
static double front_width(const pl_layout *layout, double full, size_t index)
{
    double pixels = floor(full / layout->pixel / (double)(index + 1) + 1e-3);
    return fmax(pixels, 1) * layout->pixel;
}

/* Stems that stand apart: later series narrower and with a dot, so that earlier ones show. */
static void draw_stems(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, size_t index,
                       const pl_bar *bars, size_t count)
{
    double base = base_of(figure, layout);
    bool dots = (index > 0 || figure->n_series == 1) && figure->x.names == NULL;
    for (size_t i = 0; i < count; i++) {
        double full = bars[i].x1 - bars[i].x0;
        double width = figure->stacked ? full : front_width(layout, full, index);
        double middle = (bars[i].x0 + bars[i].x1) / 2;
        double x0 = middle - width / 2;
        cairo_rectangle(cr, x0, bars[i].y0, width, bars[i].y1 - bars[i].y0);
        if (dots) {
            dot(cr, layout, middle, bars[i].y0 < base ? bars[i].y0 : bars[i].y1);
        }
    }
    cairo_set_fill_rule(cr, CAIRO_FILL_RULE_WINDING);
    const pl_style style = pl_series_style(layout, &figure->series[index]);
    pl_style_colour(cr, &style, 1);
    cairo_fill(cr);
}

/* Stems so close that they touch. */
static void draw_silhouette(cairo_t *cr, const pl_layout *layout, const pl_series *series,
                            const pl_bar *bars, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cairo_rectangle(cr, bars[i].x0, bars[i].y0, bars[i].x1 - bars[i].x0,
                        bars[i].y1 - bars[i].y0);
    }
    const pl_style style = pl_series_style(layout, series);
    pl_style_colour(cr, &style, 1);
    cairo_fill(cr);
}

/* Outlines of the runs of touching bars; closed: down to the base at both ends and along it. */
static void step_path(cairo_t *cr, const pl_bar *bars, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool starts = i == 0 || bars[i].x0 - bars[i - 1].x1 > 1e-6;
        bool ends = i + 1 == count || bars[i + 1].x0 - bars[i].x1 > 1e-6;
        if (starts) {
            cairo_move_to(cr, bars[i].x0, bars[i].y1);
        }
        cairo_line_to(cr, bars[i].x0, bars[i].y0);
        cairo_line_to(cr, bars[i].x1, bars[i].y0);
        if (ends) {
            cairo_line_to(cr, bars[i].x1, bars[i].y1);
        }
    }
}

/* Silhouettes hide what they cover: the outline of an earlier one again, over the later ones.  At
 * most half as wide as a bar, or the flanks would fill it. */
static void draw_outline(cairo_t *cr, const pl_layout *layout, const pl_series *series,
                         const pl_bar *bars, size_t count)
{
    const double widest = fmin(OUTLINE * layout->scale, 0.5 * (bars[0].x1 - bars[0].x0));
    const double line = pl_layout_width(layout, widest);
    const pl_style style = pl_series_style(layout, series);
    cairo_save(cr);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_BEVEL); /* a spike's mitre would rise above its value */
    step_path(cr, bars, count);
    pl_style_colour(cr, &style, 1);
    cairo_set_line_width(cr, line);
    cairo_stroke(cr);
    cairo_restore(cr);
}

static void draw_steps(cairo_t *cr, const pl_layout *layout, const pl_style *style,
                       const pl_bar *bars, size_t count)
{
    if (style->fill > 0) {
        step_path(cr, bars, count);
        pl_style_colour(cr, style, style->fill);
        cairo_fill(cr);
    }
    if (style->hatch != 0) {
        cairo_save(cr);
        step_path(cr, bars, count);
        cairo_clip(cr);
        pl_series_hatch(cr, layout, style, layout->plot);
        cairo_restore(cr);
    }
    step_path(cr, bars, count);
    pl_style_stroke(cr, style, 0.75 * layout->scale, style->fill == 0 && style->hatch == 0);
}

/* Fewer and larger, or more and smaller. */
double pl_marks_radius(const pl_layout *layout, const pl_series *series)
{
    size_t count = series->count;
    return (count <= 60 ? 0.3 : count <= 400 ? 0.22 : count <= 4000 ? 0.16 : 0.11) * layout->small;
}

static bool beside_fan(const pl_figure *figure)
{
    bool fan = false;
    for (size_t i = 0; i < figure->n_series; i++) {
        fan = fan || figure->series[i].mark == PL_MARK_FAN;
    }
    return fan;
}

static void draw_markers(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                         const pl_series *series, const pl_point *points, size_t count)
{
    double halo = figure->heat != NULL ? 0.8 * layout->scale : 0;
    const pl_style style = pl_series_style(layout, series);
    double radius = pl_marks_radius(layout, series);
    if (beside_fan(figure)) { /* the fan is the picture: its points stay apart */
        double spacing = spacing_of(figure, layout, series);
        radius = fmin(radius, fmax(0.45 * spacing, 0.055 * layout->small));
    }
    for (size_t i = 0; i < count; i++) {
        pl_style_marker(cr, &style, points[i].x, points[i].y, radius, halo);
    }
}

/* Markers on some points of a line, each series beginning elsewhere. */
static void mark_line(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, size_t index,
                      const pl_point *points, size_t count)
{
    const pl_style style = pl_series_style(layout, &figure->series[index]);
    double distance = fmax(4.5 * layout->small, (layout->plot.x1 - layout->plot.x0) / 7);
    bool few = distance * (double)count < 4 * (layout->plot.x1 - layout->plot.x0);
    if (few) {
        distance = 1.5 * layout->small; /* nearly all of them */
    }
    double next = count > 0 && !few ? points[0].x + distance * (double)(index % 4) / 8 : -INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (points[i].x >= next - 1e-9) {
            pl_style_marker(cr, &style, points[i].x, points[i].y, 0.24 * layout->small, 0);
            next = points[i].x + distance;
        }
    }
}

static void draw_points(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, size_t index,
                        const pl_point *points, size_t count)
{
    const pl_series *series = &figure->series[index];
    const pl_style style = pl_series_style(layout, series);
    if (series->mark == PL_MARK_POINTS || series->count == 1) {
        draw_markers(cr, figure, layout, series, points, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        cairo_line_to(cr, points[i].x, points[i].y);
    }
    pl_style_stroke(cr, &style, layout->scale, true);
    if (style.on_line) {
        mark_line(cr, figure, layout, index, points, count);
    }
}

static void draw_bars(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, size_t index,
                      const pl_bar *bars, size_t count)
{
    const pl_series *series = &figure->series[index];
    bool apart = stand_apart(layout, spacing_of(figure, layout, series));
    if (series->mark == PL_MARK_STEPS) {
        const pl_style style = pl_series_style(layout, series);
        draw_steps(cr, layout, &style, bars, count);
    } else if (!apart) {
        draw_silhouette(cr, layout, series, bars, count);
    } else {
        draw_stems(cr, figure, layout, index, bars, count);
    }
}

static pl_status draw_series(cairo_t *cr, const pl_figure *whole, const pl_layout *layout,
                             size_t index, pl_error *err)
{
    const pl_series *series = &whole->series[index];
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
    if (status == PL_OK && n_bars > 0) {
        draw_bars(cr, figure, layout, index, bars, n_bars);
    }
    if (status == PL_OK && n_points > 0) {
        draw_points(cr, figure, layout, index, points, n_points);
    }
    PL_THEN(pl_spread_columns(figure, layout, series, &columns, &n_columns, err));
    if (status == PL_OK && n_columns > 0) {
        pl_spread_draw(cr, figure, layout, series, columns, n_columns);
    }
    free(bars);
    free(points);
    free(columns);
    return status;
}

/* Whether a series of stems that join has a later one in front of it. */
static bool is_covered(const pl_figure *figure, const pl_layout *layout, size_t index)
{
    const pl_series *series = &figure->series[index];
    bool covered = false;
    for (size_t i = index + 1; i < figure->n_series; i++) {
        covered = covered || figure->series[i].mark == PL_MARK_STEMS;
    }
    return covered && series->mark == PL_MARK_STEMS && !figure->stacked &&
           !stand_apart(layout, spacing_of(figure, layout, series));
}

static pl_status draw_outlines(cairo_t *cr, const pl_figure *whole, const pl_layout *layout,
                               pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < whole->n_series; i++) {
        const pl_figure figure = pl_figure_for(whole, &whole->series[i]);
        pl_bar *bars = NULL;
        size_t count = 0;
        if (!is_covered(&figure, layout, i)) {
            continue;
        }
        status = pl_marks_bars(&figure, layout, &whole->series[i], &bars, &count, err);
        if (status == PL_OK && count > 0) {
            draw_outline(cr, layout, &whole->series[i], bars, count);
        }
        free(bars);
    }
    return status;
}

/* The series that are points, or the others. */
static pl_status draw_all(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                          bool points, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < figure->n_series; i++) {
        if ((figure->series[i].mark == PL_MARK_POINTS) == points) {
            status = draw_series(cr, figure, layout, i, err);
        }
    }
    return status;
}

pl_status pl_marks_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                        pl_error *err)
{
    pl_status status = draw_all(cr, figure, layout, false, err);
    PL_THEN(draw_outlines(cr, figure, layout, err));
    /* Last: no bar of a later series hides them. */
    return status == PL_OK ? draw_all(cr, figure, layout, true, err) : status;
}

static void stems_swatch(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                         size_t index, pl_area box)
{
    static const double heights[] = {0.5, 1, 0.7};
    const pl_series *series = &figure->series[index];
    double width = box.x1 - box.x0;
    double slot = width / 3;
    bool apart = stand_apart(layout, spacing_of(figure, layout, series));
    pl_bar bars[3];
    for (int i = 0; i < 3; i++) {
        double half = apart ? fmin(0.3 * slot, widest_bar(figure) / 2) : slot / 2;
        double middle = box.x0 + ((double)i + 0.5) * slot;
        double height = (apart ? heights[i] : 1) * (box.y1 - box.y0);
        bars[i] = (pl_bar){round_to(middle - half, layout->pixel), middle + half, box.y1 - height,
                           box.y1};
        bars[i].x1 = round_to(middle + half, layout->pixel);
    }
    if (apart) {
        pl_figure sample = *figure;
        pl_layout inner = *layout;
        inner.plot = box;
        sample.y = (pl_axis){.lo = 0, .hi = 1};
        draw_stems(cr, &sample, &inner, index, bars, 3);
        return;
    }
    draw_silhouette(cr, layout, series, bars, 3);
}

void pl_marks_swatch(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, size_t index,
                     pl_area box)
{
    const pl_series *series = &figure->series[index];
    const pl_style style = pl_series_style(layout, series);
    double middle = (box.y0 + box.y1) / 2;
    if (series->mark == PL_MARK_STEMS) {
        stems_swatch(cr, figure, layout, index, box);
    } else if (series->mark == PL_MARK_STEPS) {
        pl_layout inner = *layout;
        inner.plot = box;
        pl_bar bar = {box.x0, box.x1, box.y0, box.y1};
        draw_steps(cr, &inner, &style, &bar, 1);
        cairo_rectangle(cr, box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
        pl_style_stroke(cr, &style, 0.75 * layout->scale, style.fill == 0 && style.hatch == 0);
    } else if (series->mark == PL_MARK_LINE) {
        cairo_move_to(cr, box.x0, middle);
        cairo_line_to(cr, box.x1, middle);
        pl_style_stroke(cr, &style, layout->scale, true);
        if (style.on_line) {
            pl_style_marker(cr, &style, (box.x0 + box.x1) / 2, middle, 0.24 * layout->small, 0);
        }
    } else if (pl_mark_width(series->mark) > 1) {
        pl_spread_swatch(cr, figure, layout, series, box);
    } else {
        double radius = fmax(pl_marks_radius(layout, series), 0.2 * layout->small);
        double halo = figure->heat != NULL ? 0.8 * layout->scale : 0;
        pl_style_marker(cr, &style, (box.x0 + box.x1) / 2, middle, radius, halo);
    }
}
